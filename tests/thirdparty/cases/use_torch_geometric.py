"""torch_geometric: a batch of graphs through GCN, GAT, SAGE and GIN layers, pooled, trained a step."""

import torch
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GATConv, GCNConv, GINConv, SAGEConv, global_mean_pool
from torch_geometric.utils import add_self_loops, degree, to_dense_adj
from trial import Trial

trial = Trial()
edges = trial.given("edges", lambda: torch.randint(0, 8, (2, 20)))
graphs = Batch.from_data_list(
    [
        Data(x=trial.randn(f"x{i}", 8, 5), edge_index=edges, y=torch.tensor([i % 2]))
        for i in range(3)
    ]
)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            [GCNConv(5, 8), GATConv(8, 4, heads=2), SAGEConv(8, 8), GINConv(nn.Linear(8, 8))]
        )
        self.head = nn.Linear(8, 2)

    def forward(self, data):
        x = data.x
        for layer in self.layers:
            x = layer(x, data.edge_index).relu()
        return self.head(global_mean_pool(x, data.batch))


model = trial.weights("model", Net())
out = model(graphs)
trial.result("out", out)
trial.step("net", model, nn.functional.cross_entropy(out, graphs.y))
trial.result("degree", degree(edges[0], 8))
trial.result("dense", to_dense_adj(edges, max_num_nodes=8))
trial.result("loops", add_self_loops(edges)[0])
trial.write()
