"""Calls at the edge of what an operator takes: the same result as PyTorch's, or the same class of error."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from agreement import agree

# One expression a line, in which `torch` is either library and x is a 2 x 3 tensor of float64 ones.
CASES = """
torch.tensor([1j, 0j, 1 + 0j]).to(torch.bool)
torch.tensor([1j, 0j]).bool()
torch.full((200, 200), 2j).to(torch.bool).all()
torch.cdist(x,x.float())
torch.cdist(x.float(),x)
torch.cdist(x,x.float(),p=1.0)
torch.cdist(x.long(),x)
torch.addmm(torch.ones(3,3),torch.ones(2,2),torch.ones(2,2),beta=0)
torch.addmm(torch.ones(2,2),torch.ones(2,2),torch.ones(2,2),alpha=1j)
torch.addmm(torch.ones(2,2).long(),torch.ones(2,2).long(),torch.ones(2,2).long(),alpha=1j)
torch.addmm(torch.ones(2,2).long(),torch.ones(2,2).long(),torch.ones(2,2).long(),alpha=1.5)
torch.addr(torch.ones(3,3),torch.ones(2),torch.ones(2),beta=0)
torch.full((2,),1j,dtype=torch.float32)
torch.full((2,),1j,dtype=torch.int64)
torch.full_like(torch.ones(2).long(),1j)
torch.full_like(torch.ones(2).bool(),1j)
torch.full((2,),1+0j,dtype=torch.float32)
torch.ones(2).new_full((2,),1j)
torch.lerp(x,x,1j)
torch.lerp(x,x,1+0j)
torch.masked_fill(torch.ones(2).byte(),torch.ones(2).bool(),torch.tensor(-1.3))
torch.masked_fill(torch.ones(2).byte(),torch.ones(2).bool(),torch.tensor(-0.3))
torch.masked_fill(torch.ones(2).byte(),torch.ones(2).bool(),torch.tensor(-1))
torch.masked_fill(torch.ones(2).byte(),torch.ones(2).bool(),torch.tensor(300))
torch.masked_fill(torch.ones(2).char(),torch.ones(2).bool(),torch.tensor(300))
torch.masked_fill(torch.ones(2).bool(),torch.ones(2).bool(),torch.tensor(300.5))
torch.masked_fill(torch.ones(2).half(),torch.ones(2).bool(),torch.tensor(1e9))
torch.masked_fill(torch.ones(2).half(),torch.ones(2).bool(),1e9)
torch.masked_fill(torch.ones(2).long(),torch.ones(2).bool(),torch.tensor(float('nan')))
torch.index_fill(torch.ones(2).byte(),0,torch.tensor([0]),torch.tensor(-1.3))
torch.index_fill(torch.ones(2).byte(),0,torch.tensor([0]),-1.3)
torch.index_fill(torch.ones(2).byte(),0,torch.tensor([0]),-1)
torch.index_fill(torch.ones(2).byte(),0,torch.tensor([0]),300)
torch.index_fill(torch.ones(2).half(),0,torch.tensor([0]),1e9)
torch.index_fill(torch.ones(2).half(),0,torch.tensor([0]),torch.tensor(1e9))
torch.nn.functional.linear(torch.ones(1,3),torch.ones(4,3),torch.ones(2,4))
torch.nn.functional.linear(torch.ones(1,3),torch.ones(4,3),torch.ones(1,1,4))
torch.nn.functional.linear(torch.ones(3),torch.ones(4,3),torch.ones(1,4))
torch.nn.functional.linear(torch.ones(2,2,3),torch.ones(4,3),torch.ones(2,4))
torch.nn.functional.linear(torch.ones(2,2,3),torch.ones(4,3),torch.ones(3,2,4))
torch.nn.functional.linear(torch.ones(2,3),torch.ones(3),torch.ones(2,2))
torch.nn.functional.linear(torch.ones(2,2,3),torch.ones(4,3),torch.ones(1,1,1,4))
torch.lu_unpack(torch.ones(3,3),torch.ones(2).int())
torch.lu_unpack(torch.ones(3,3),torch.ones(3).long())
torch.lu_unpack(torch.ones(3,3),torch.ones(3).int()+7)
torch.lu_unpack(torch.ones(3,3),torch.ones(()).int())
torch.lu_unpack(torch.ones(3),torch.ones(3).int())
torch.lu_unpack(torch.ones(3,3),torch.zeros(3).int())
torch.lu_unpack(torch.ones(3,3).long(),torch.ones(3).int())
torch.nn.functional.avg_pool3d(torch.ones(1,3,1,2),2,padding=1)
torch.nn.functional.avg_pool2d(torch.ones(1,1,2),2,padding=1)
torch.nn.functional.cosine_similarity(x,x.long())
torch.nn.functional.cosine_similarity(x.long(),x.long())
torch.nn.functional.cosine_similarity(x.half(),x).dtype
torch.nn.functional.cosine_similarity(x.half(),x.float()).dtype
torch.segment_reduce(torch.ones(3),'sum',lengths=torch.tensor([3]),initial=1j)
torch.istft(torch.ones(5,6,dtype=torch.complex64),8,window=torch.ones(8,dtype=torch.bool))
torch.istft(torch.ones(5,6,dtype=torch.complex64),8,window=torch.ones(8,dtype=torch.complex64))
torch.istft(torch.ones(5,6,dtype=torch.complex64),8,window=torch.ones(8,dtype=torch.complex64),return_complex=True)
torch.istft(torch.ones(8,6,dtype=torch.complex64),8,window=torch.ones(8,dtype=torch.complex64),onesided=False,return_complex=True)
torch.istft(torch.ones(5,6,dtype=torch.complex64),8,window=torch.ones(7))
torch.istft(torch.ones(5,6,dtype=torch.complex64),8,window=torch.ones(8,dtype=torch.int64))
torch.ormqr(torch.ones(3,2),torch.ones(1),torch.ones(3,2))
torch.ormqr(torch.ones(3,2),torch.ones(1),torch.ones(2,3),left=False)
torch.chain_matmul(torch.ones(2,2,2))
torch.renorm(torch.ones(2,2).long(),2,0,1.)
torch.linalg.vander(torch.ones(3).half())
torch.linalg.vander(torch.ones(3).short())
""".strip().splitlines()

# Here x is [0, 1, 2, 3].
TENSORS_FOR_NUMBERS = """
x.roll(torch.tensor(1))
x.roll(torch.tensor([1]))
x.roll(shifts=torch.tensor(1),dims=torch.tensor(0))
torch.roll(x,torch.tensor(1.5))
x.sum(torch.tensor(0))
x.reshape(torch.tensor(4))
x.view(torch.tensor(2),2)
x.repeat(torch.tensor(2))
x.expand(torch.tensor(2),4)
x.permute(torch.tensor(0))
x.flip(torch.tensor(0))
torch.zeros(torch.tensor(2))
torch.zeros(torch.tensor([2]))
torch.zeros((torch.tensor(2),3)).shape
x.narrow(0,torch.tensor(1),2)
x.split(torch.tensor(2))
x.chunk(torch.tensor(2))
x.unsqueeze(torch.tensor(0)).shape
x.transpose(torch.tensor(0),0)
x.tile(torch.tensor(2))
x.topk(torch.tensor(2)).values
torch.arange(torch.tensor(3))
x.squeeze(torch.tensor(0)).shape
torch.eye(torch.tensor(2))
x.softmax(torch.tensor(0))
x.roll('a')
x.roll(None)
x.roll([1.5])
x.roll((torch.tensor(1),),(0,))
x.movedim(torch.tensor(0),0)
x.unfold(0,torch.tensor(2),1)
x.sum((torch.tensor(0),))
x.index_select(torch.tensor(0),torch.tensor([1]))
x.cumsum(torch.tensor(0))
x.mean(torch.tensor([0]))
torch.full((2,),torch.tensor(3.))
torch.stack(x)
torch.cat(x)
torch.stack(torch.ones(2,2))
torch.cat(torch.ones(2,2))
""".strip().splitlines()


@pytest.mark.parametrize("line", TENSORS_FOR_NUMBERS)
def test_tensors_for_numbers(line):
    agree(lambda lib: eval(line, {"torch": lib, "x": lib.arange(4.0)}), text=False)


@pytest.mark.parametrize("line", CASES)
def test_one_line(line):
    agree(lambda lib: eval(line, {"torch": lib, "x": lib.ones(2, 3, dtype=lib.double)}), text=False)


# What may stand where a gradient is assigned, by name; t is a leaf of three float32.
GRADIENTS = """
None
torch.ones(3)
torch.ones(2)
torch.ones(1, 3)
torch.ones(3).double()
torch.ones(3).long()
torch.ones(3) * 1j
torch.ones(3, device="meta")
torch.ones(3, 2)[:, 0]
torch.ones(3, requires_grad=True)
1.0
"a"
[1.0, 2.0, 3.0]
torch.ones(3).numpy()
t
""".strip().splitlines()


def assigned(lib, line, like=None):
    t = lib.ones(3, requires_grad=True) if like is None else like
    t.grad = eval(line, {"torch": lib, "t": t})
    return t.grad


@pytest.mark.parametrize("line", GRADIENTS)
def test_assigning_a_gradient(line):
    agree(lambda lib: assigned(lib, line), text=False)


def test_a_gradient_that_was_assigned_is_added_to_and_dropped():
    def case(lib):
        t = lib.ones(3, requires_grad=True)
        t.grad = lib.full((3,), 2.0)
        (t * 3).sum().backward()
        kept = t.grad.clone()
        del t.grad
        return kept, t.grad is None

    agree(case)


@pytest.mark.parametrize("dtype", ["float64", None])
def test_grad_dtype_says_which_gradients_may_be_assigned(dtype):
    def case(lib):
        t = lib.ones(3, requires_grad=True)
        t.grad_dtype = None if dtype is None else getattr(lib, dtype)
        return assigned(lib, "torch.ones(3).double()", t)

    agree(case)
