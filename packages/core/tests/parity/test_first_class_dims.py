"""functorch.dim beside PyTorch's: the same lines in both, each ending in a result `r`.

In PyTorch 2.13 `order` with wrong arguments, `split` of a plain tensor, `expand` of one, DimLists as keys, and dims of another
size than the tensor's fail inside or give what cannot be meant; these are tested in tests/functorch alone.
"""

from __future__ import annotations

import functorch.dim
import numpy as np
import pytest
import torch

import flambeau
import flambeau.functorch.dim as ours

LINES = """
i,j,k=dims(3); r=(a[i,k]*b[k,j]).sum(k).order(i,j)
i=dims(1); r=repr(i)
x,y=dims(sizes=[2,None]); r=[x.size,y.is_bound,repr((x,y))]
i,j=dims(2); r=a[i,j]
i,j=dims(2); r=a[i,j].order(j,i)
i,j=dims(2); r=a[i,j].order((i,j))
i,j=dims(2); r=(a[i]+1).order(i)
i,j=dims(2); r=a[:,j].order(j)
i,j=dims(2); r=a[i,j].sum(i).order(j)
i,j=dims(2); r=a[i,j].sum((i,j))
i,j=dims(2); r=a[i,j].mean(j).order(i)
i,j=dims(2); m=a[i,j].max(j); r=[m[0].order(i),m[1].order(i)]
i,j=dims(2); r=a[i].sum().order(i)
i,j=dims(2); r=a[i].sum(0).order(i)
i,j=dims(2); r=a[i].sum(-1).order(i)
i,j=dims(2); r=a[i,j].softmax(dim=j).order(i,j)
i,j=dims(2); r=torch.softmax(a[i,j],dim=j).order(i,j)
i,j=dims(2); r=a[i,j].cumsum(j).order(i,j)
i,j=dims(2); r=a[i,j].std(j).order(i)
i,j=dims(2); r=a[i,j].argmax(j).order(i)
i,j=dims(2); r=a[i,j].logsumexp(j).order(i)
i,j=dims(2); s=a[i,j].sort(j); r=[s[0].order(i,j), s[1].order(i,j)]
i,j=dims(sizes=[2,3]); r=(i*10+j).order(i,j)
i,j=dims(sizes=[3,3]); r=torch.where(i<j, 1, 0).order(i,j)
i,j=dims(sizes=[3,3]); r=(i==j).order(i,j)
i,j=dims(sizes=[3,3]); r=torch.where(i>=j, R(3,3)[i,j], 0.).order(i,j)
i=dims(1); r=R(3,3)[i,i].order(i)
i,j=dims(2); r=a[w[i],j].order(i,j)
i,j=dims(2); r=a[w[i]].order(i)
i,j=dims(2); r=R(3,4)[i][w[i]].order(i)
i,j,k=dims(3); r=t3[i,(j,k)]
i,j,k=dims(3); j.size=2; r=R(2,6,4)[i,(j,k)].order(i,j,k)
i,j,k=dims(3); k.size=3; r=R(6)[(j,k),].order(k,j)
i,j=dims(2); r=a[i,j,i]
i,j=dims(2); r=a[...,i].order(i)
i,j=dims(2); r=t3[i,...,j].order(j,i)
i,j=dims(2); r=t3[i,None].order(i)
i,j=dims(2); r=t3[i,1].order(i)
i,j=dims(2); r=t3[i,1:,j].order(i,j)
i,j=dims(2); r=t3[i,:,w].order(i)
i,j=dims(2); r=t3[:,i,w].order(i)
d=DimList(name='q'); r=[repr(d), d.is_bound]
d=dimlists(); r=[repr(d)]
d,e=dimlists(sizes=[2,[3,None]]); r=[repr(d),repr(e),e[0].size, e[1].is_bound]
d=DimList(); r=len(d)
d=DimList(3); r=[d[0], d[1:], d[5]]
d=DimList([2,3]); r=[d[0].size, t3[0:1, :, 0:1][:, :, 0].shape]
d=DimList(3); d.bind([1,2,3]); r=[x.size for x in d]
d=DimList(3); d.bind_len(2)
i,j=dims(2); r=a.index(0,i)
i,j=dims(2); r=a.index((0,1),(i,j)).order(j,i)
i,j=dims(2); r=a[i,j].index(i,w)
i,j=dims(2); r=a[i,j].index(i,w).order(j)
i,j,k=dims(3); r=a[i,j].index((i,j),(w,k)).order(k)
i,j,k=dims(3); r=a[i,j].index([(i,j)],[k]).order(k)
i,j,k=dims(3); i.size=2; r=R(6,2).index([0],[(i,j)]).order(i,j)
i,j,k=dims(3); r=a.index((0,1),(i,))
i,j=dims(2); x=R(3,4); x[i,j]=a[i,j]*2; r=x
i,j=dims(2); x=R(3,4); x[i,0]=w[i].double(); r=[x]
i,j=dims(2); x=R(3,4); x[i]=7.; r=[x]
i,j=dims(2); x=torch.zeros(3,3); x[i,i]=1.; r=x
i,j=dims(2); x=torch.zeros(3,4); x[w[i],j]=a[i,j].float(); r=x
i,j,k=dims(3); x=R(3,4); x[i]=b[k,j]
i,j=dims(2); r=a[i].expand(2,4).order(i)
i,j=dims(2); x=a[i]; r=[x.shape, x.size(), x.ndim, x.dim(), x.dims, x.dtype==torch.float64]
i,j,n=dims(3); r=stack([a[i,j],a[i,j]*2],n).order(n,i,j)
i,j,n=dims(3); r=cat([a[i,j],a[i,j]*2],j,n).order(i,n)
i,j,n=dims(3); r=cat([a[i],a[i]*2],0,n).order(i,n)
i,j,n=dims(3); j.size=1; p=a[n].split([i,j],dim=0); r=[p[0].order(i,n),p[1].order(j,n)]
i,j,n=dims(3); p=a[n,:].split([i,2],dim=0)
i,j=dims(2); r=torch.matmul(t3[i],R(4,2)).order(i)
i,j=dims(2); r=(t3[i]@R(2,4,5)[i]).order(i)
i,j=dims(2); r=F.linear(t3[i],R(5,4)).order(i)
i,j=dims(2); r=F.relu(a[i,j]).order(i,j)
i,j=dims(2); r=a[i,j].exp().clamp(max=1.5).order(i,j)
i,j=dims(2); x=a.clone().requires_grad_(); (x[i,j]**2).sum(i).order(j).sum().backward(); r=x.grad
i,j,k=dims(3); x=a.clone().requires_grad_(); y=b.clone().requires_grad_(); (x[i,k]*y[k,j]).sum(k).order(i,j).sum().backward(); r=[x.grad,y.grad]
i,j=dims(2); x=a.clone(); y=x[i,j]; y+=1; r=x
i,j=dims(2); r=a[i].order(j)
i,j=dims(2); r=a[i].sum(j)
i,j=dims(2); r=a[i,j].sum(j,keepdim=True)
i,j=dims(2); r=i.size
dims()
x=dims(3, sizes=[1])
i,j,k=dims(3); B,H=dims(2); q=R(2,3,4,5); ; b_,h,tq,tk,c=dims(5); s=(q[b_,h,tq,c]*q[b_,h,tk,c]).sum(c); att=s.softmax(dim=tk); r=(att*q[b_,h,tk,c]).sum(tk).order(b_,tq,(h,c)).shape
i,j=dims(2); r=len(a[i])
i,j=dims(2); r=a[i][0].order(i)
i,j=dims(2); r=a[i][j].order(j,i)
i,j,k=dims(3); r=R(8,8)[2*0+1:, i].order(i).shape
i,j=dims(sizes=[3,3]); c,d=dims(2); img=R(6,6); x,y=dims(sizes=[4,4]); r=img[x+i, y+j].mean((i,j)).order(x,y)
i,j=dims(2); r=torch.add(a[i,j], 1).order(i,j)
i,j=dims(2); r=a[i,j].norm().order(i,j)
i,j=dims(2); r=(a[i,j] - a[i,j].mean(j)).order(i,j)
i,j=dims(2); r=a[i,j].var(j, unbiased=False).order(i)
i,j=dims(2); r=a[i,j].any(j).order(i)
i,j=dims(2); r=a[i,j].min(j).values.order(i)
i,j=dims(2); r=[x.order(i) for x in a[i,j].unbind(j)]
i,j=dims(2); r=torch.rand_like(a[i,j]).order(i,j).shape
i,j=dims(2); r=F.dropout(a[i,j], 0.).order(i,j)
i,j=dims(2); r=t3[i].mT.order(i).shape
i,j=dims(2); r=F.embedding(w[i], a).order(i)
i,j=dims(2); r=(a[i] > 0).sum().order(i)
i,j=dims(2); r=bool(a[i,j])
i,j=dims(2); r=a[i,j].item()
i,j=dims(2); r=a[i,j].prod(i).order(j)
i,j=dims(2); r=(1-a[i,j]).order(i,j)
i,j=dims(2); r=(2**a[i,j]).order(i,j)
i,j=dims(2); r=a[[0,2], i].order(i)
r=a.index(0, slice(0,2))
i,j=dims(2); r=index(a,(0,),(i,)).order(i)
""".strip().splitlines()


def shown(lib, r):
    """A result in plain values: of tensors with dims their names and what they hold in their order."""
    if isinstance(r, lib.Tensor):
        return [str(r.dtype).rpartition(".")[2], np.asarray(r.detach().numpy())]
    if type(r).__name__ == "Tensor":
        return [list(map(repr, r.dims)), r.ndim, shown(lib, r.order(*r.dims))]
    if isinstance(r, (tuple, list)):
        return [shown(lib, x) for x in r]
    return repr(r)


def outcome(lib, dim, line):
    def values(*sizes):
        n = int(np.prod(sizes))
        return (lib.arange(n, dtype=lib.float64).reshape(sizes) * 0.37).sin()

    scope = {n: getattr(dim, n) for n in ("dims", "dimlists", "DimList", "stack", "cat", "index")}
    scope |= {"torch": lib, "F": lib.nn.functional, "R": values, "w": lib.tensor([2, 0, 1])}
    scope |= {"a": values(3, 4), "b": values(4, 5), "t3": values(2, 3, 4), "r": None}
    try:
        exec(line, scope)
        return shown(lib, scope["r"])
    except Exception as error:
        return type(error).__name__


def same(a, b):
    if isinstance(b, np.ndarray):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)
    elif isinstance(b, list):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            same(x, y)
    else:
        assert a == b


@pytest.mark.parametrize("line", LINES)
def test_first_class_dimensions(line):
    same(outcome(flambeau, ours, line), outcome(torch, functorch.dim, line))
