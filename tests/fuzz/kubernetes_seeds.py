"""Seeds of fuzz_kubernetes: one object of each kind, lists, statuses. kubernetes_seeds.py FOLDER"""
import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
KINDS = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "ReplicaSet": "apps/v1", "Pod": "v1", "Node": "v1"}


def thing(kind):
    metadata = {"name": "a", "uid": "u", "resourceVersion": "7", "generation": 2,
                "annotations": {"heal.dev/action-id": "k", "deployment.kubernetes.io/revision": "2"},
                "ownerReferences": [{"uid": "u"}]}
    if kind != "Node":
        metadata["namespace"] = "shop"
    if kind == "Pod":
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"apiVersion": KINDS[kind], "kind": kind, "metadata": metadata, "spec": {
        "replicas": 2, "unschedulable": True, "selector": {"matchLabels": {"app": "a"}},
        "template": {"metadata": {"labels": {"app": "a", "pod-template-hash": "1"}}, "spec": {}}}}


seeds = {kind: thing(kind) for kind in KINDS}
former = thing("ReplicaSet")
former["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1"
seeds["both"] = {**thing("Deployment"), "items": [former]}
seeds["list"] = {"kind": "ReplicaSetList", "metadata": {"continue": ""}, "items": [former]}
seeds["success"] = {"kind": "Status", "status": "Success", "details": {"uid": "u"}}
seeds["failure"] = {"kind": "Status", "status": "Failure", "message": "no \u00e9 \\ \n"}
for name, seed in seeds.items():
    (folder / f"{name}.json").write_text(json.dumps(seed))
