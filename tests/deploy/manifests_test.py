"""Renders the Kubernetes overlays and holds them against rules. Skipped (77) without kubectl, kustomize or PyYAML."""

import copy
import shutil
import subprocess
import sys
import unittest

import server_flags

try:
    import yaml
except ImportError:
    print("skipped: python3-yaml is not installed")
    sys.exit(77)

OVERLAYS = ("cpu", "gpu", "model-volume")
GPU_OVERLAYS = {"gpu"}
BINARY = {"storage": "storage-server", "inference": "inference-server"}
HEALTH_NAMES = {
    "storage": {"diptych.storage.v1.SearchService"},
    "inference": {"diptych.inference.v1.InferenceService"},
}
WORKLOADS = ("Deployment", "StatefulSet")


def renderer() -> list[str] | None:
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    if shutil.which("kubectl"):
        return ["kubectl", "kustomize"]
    return None


def render(overlay: str) -> list[dict]:
    folder = server_flags.project_root() / "k8s/overlays" / overlay
    rendered = subprocess.run([*renderer(), folder], capture_output=True, text=True, check=False, timeout=110)
    if rendered.returncode != 0:
        raise AssertionError(rendered.stderr)
    if "deprecated" in rendered.stderr.lower():
        raise AssertionError(rendered.stderr)
    return [one for one in yaml.safe_load_all(rendered.stdout) if one]


def of_kind(objects: list[dict], *kinds: str) -> list[dict]:
    return [one for one in objects if one["kind"] in kinds]


def name(one: dict) -> str:
    return f"{one['kind']}/{one['metadata']['name']}"


def pod(workload: dict) -> dict:
    return workload["spec"]["template"]["spec"]


def labels(workload: dict) -> dict:
    return workload["spec"]["template"]["metadata"]["labels"]


def selects(selector: dict, found: dict) -> bool:
    return all(found.get(key) == value for key, value in selector.items())


def container_violations(workload: dict, container: dict) -> list[str]:
    wrong = []
    image = container.get("image", "")
    if ":" not in image.rsplit("/", 1)[-1] or image.endswith(":latest"):
        wrong.append(f"image {image} has no fixed tag")
    limits = container.get("resources", {}).get("limits", {})
    requests = container.get("resources", {}).get("requests", {})
    wrong += [f"no {what} for {key}" for key in ("cpu", "memory") for what, given in
              (("limit", limits), ("request", requests)) if key not in given]
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False:
        wrong.append("may escalate privileges")
    if security.get("readOnlyRootFilesystem") is not True:
        wrong.append("root file system is writable")
    if security.get("capabilities", {}).get("drop") != ["ALL"]:
        wrong.append("keeps capabilities")
    ports = {port["containerPort"] for port in container.get("ports", [])}
    names = HEALTH_NAMES.get(container["name"], set())
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        grpc = container.get(probe, {}).get("grpc")
        if grpc is None or grpc["port"] not in ports:
            wrong.append(f"no gRPC {probe} on a port of its own")
        elif grpc.get("service", "") not in names | {""}:
            wrong.append(f"{probe} asks for {grpc['service']}, which the server does not report")
    mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
    claims = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
    wrong += [f"volume {volume} is not declared" for volume in
              mounted - {volume["name"] for volume in pod(workload).get("volumes", [])} - claims]
    environment = {variable["name"] for variable in container.get("env", [])}
    for argument in container.get("args", []):
        if "$(" in argument and argument.split("$(")[1].split(")")[0] not in environment:
            wrong.append(f"{argument} names a variable that env lacks")
    wrong += [f"{BINARY[container['name']]} has no flag {flag}" for flag in
              server_flags.unknown_flags(BINARY[container["name"]], container.get("args", []))]
    return wrong


def workload_violations(objects: list[dict]) -> list[str]:
    wrong = []
    accounts = {one["metadata"]["name"] for one in of_kind(objects, "ServiceAccount")}
    configs = {one["metadata"]["name"]: one["data"] for one in of_kind(objects, "ConfigMap")}
    for workload in of_kind(objects, *WORKLOADS):
        spec = pod(workload)
        found = []
        if not selects(workload["spec"]["selector"]["matchLabels"], labels(workload)):
            found.append("does not select its own pods")
        security = spec.get("securityContext", {})
        if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
            found.append("may run as root")
        if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            found.append("has no seccomp profile")
        if spec.get("automountServiceAccountToken") is not False:
            found.append("mounts a token")
        if spec.get("serviceAccountName") not in accounts:
            found.append("names a service account that is not there")
        for container in spec.get("initContainers", []) + spec["containers"]:
            found += container_violations(workload, container)
            for variable in container.get("env", []):
                reference = variable.get("valueFrom", {}).get("configMapKeyRef")
                if reference and reference["key"] not in configs.get(reference["name"], {}):
                    found.append(f"{variable['name']} reads a key that no config map has")
        wrong += [f"{name(workload)}: {one}" for one in found]
    for stateful in of_kind(objects, "StatefulSet"):
        if stateful["spec"]["replicas"] != 1:
            wrong.append(f"{name(stateful)}: LMDB allows one replica")
        headless = [one for one in of_kind(objects, "Service") if one["spec"].get("clusterIP") == "None"]
        if stateful["spec"]["serviceName"] not in {one["metadata"]["name"] for one in headless}:
            wrong.append(f"{name(stateful)}: serviceName is no headless service")
    return wrong


def reference_violations(objects: list[dict]) -> list[str]:
    """What points at pods by labels and ports points at pods that are there."""
    wrong = []
    workloads = of_kind(objects, *WORKLOADS)
    for service in of_kind(objects, "Service"):
        targets = [one for one in workloads if selects(service["spec"]["selector"], labels(one))]
        if len(targets) != 1:
            wrong.append(f"{name(service)}: selects {len(targets)} workloads")
            continue
        offered = {port["name"]: port["containerPort"] for port in pod(targets[0])["containers"][0]["ports"]}
        for port in service["spec"]["ports"]:
            if offered.get(port["targetPort"]) != port["port"]:
                wrong.append(f"{name(service)}: port {port['port']} is not the container's {port['targetPort']}")
    for budget in of_kind(objects, "PodDisruptionBudget"):
        if not any(selects(budget["spec"]["selector"]["matchLabels"], labels(one)) for one in workloads):
            wrong.append(f"{name(budget)}: selects no pod")
    policies = of_kind(objects, "NetworkPolicy")
    if not any(one["spec"]["podSelector"] == {} and set(one["spec"]["policyTypes"]) == {"Ingress", "Egress"} and
               "ingress" not in one["spec"] and "egress" not in one["spec"] for one in policies):
        wrong.append("no network policy denies by default")
    for policy in policies:
        selector = policy["spec"]["podSelector"].get("matchLabels", {})
        if not any(selects(selector, labels(one)) for one in workloads):
            wrong.append(f"{name(policy)}: selects no pod")
        named = {port["name"] for one in workloads for container in pod(one)["containers"]
                 for port in container["ports"]}
        for rule in policy["spec"].get("ingress", []) + policy["spec"].get("egress", []):
            wrong += [f"{name(policy)}: no container has a port {port['port']}" for port in rule.get("ports", [])
                      if isinstance(port["port"], str) and port["port"] not in named]
    namespaces = {one["metadata"].get("namespace") for one in objects if one["kind"] != "Namespace"}
    if namespaces != {"diptych"}:
        wrong.append(f"namespaces {namespaces}")
    return wrong


def gpu_violations(objects: list[dict], expected: bool) -> list[str]:
    wrong = []
    for workload in of_kind(objects, *WORKLOADS):
        spec = pod(workload)
        wants = expected and workload["metadata"]["name"] == "inference"
        facts = {
            "a GPU in its limits": any(
                "nvidia.com/gpu" in one["resources"].get("limits", {}) for one in spec["containers"]),
            "a GPU node selector": "nvidia.com/gpu.present" in spec.get("nodeSelector", {}),
            "a GPU toleration": any(one.get("key") == "nvidia.com/gpu" for one in spec.get("tolerations", [])),
            "the CUDA image": any(one["image"].endswith("-cuda") for one in spec["containers"]),
        }
        wrong += [f"{name(workload)}: {'lacks' if wants else 'has'} {fact}" for fact, given in facts.items()
                  if given != wants]
    return wrong


def violations(objects: list[dict], gpu: bool) -> list[str]:
    return workload_violations(objects) + reference_violations(objects) + gpu_violations(objects, gpu)


class RenderedTest(unittest.TestCase):
    def test_every_overlay_keeps_the_rules(self):
        for overlay in OVERLAYS:
            with self.subTest(overlay):
                found = violations(render(overlay), overlay in GPU_OVERLAYS)
                self.assertFalse(found, "\n" + "\n".join(found))

    def test_every_overlay_has_both_services(self):
        for overlay in OVERLAYS:
            with self.subTest(overlay):
                names = {name(one) for one in of_kind(render(overlay), *WORKLOADS)}
                self.assertEqual(names, {"StatefulSet/storage", "Deployment/inference"})

    def test_every_overlay_is_tested(self):
        folders = (server_flags.project_root() / "k8s/overlays").iterdir()
        self.assertEqual({one.name for one in folders if one.is_dir()}, set(OVERLAYS))

    def test_storage_calls_the_headless_service(self):
        for overlay in OVERLAYS:
            objects = render(overlay)
            headless = next(one for one in of_kind(objects, "Service")
                            if one["metadata"]["name"] == "inference-headless")
            config = of_kind(objects, "ConfigMap")[0]["data"]
            self.assertEqual(config["inference-address"],
                             f"dns:///inference-headless:{headless['spec']['ports'][0]['port']}")


class PlantedViolationTest(unittest.TestCase):
    def test_each_is_found(self):
        good = render("cpu")

        def storage(objects):
            return next(one for one in of_kind(objects, "StatefulSet"))

        def container(objects):
            return pod(storage(objects))["containers"][0]

        planted = {
            "no limit": lambda tree: container(tree)["resources"].pop("limits"),
            "no fixed tag": lambda tree: container(tree).update(image="diptych/storage-server:latest"),
            "livenessProbe": lambda tree: container(tree).pop("livenessProbe"),
            "does not report": lambda tree: container(tree)["readinessProbe"]["grpc"].update(service="x"),
            "root file system": lambda tree: container(tree)["securityContext"].pop("readOnlyRootFilesystem"),
            "may run as root": lambda tree: pod(storage(tree))["securityContext"].pop("runAsNonRoot"),
            "one replica": lambda tree: storage(tree)["spec"].update(replicas=2),
            "is not the container's": lambda tree: of_kind(tree, "Service")[0]["spec"]["ports"][0].update(port=1),
            "selects no pod": lambda tree: of_kind(tree, "PodDisruptionBudget")[0]["spec"]["selector"]
            ["matchLabels"].update(x="y"),
            "denies by default": lambda tree: tree.remove(
                next(one for one in tree if one["metadata"]["name"] == "default-deny")),
            "a GPU in its limits": lambda tree: container(tree)["resources"]["limits"].update({"nvidia.com/gpu": "1"}),
            "no config map has": lambda tree: of_kind(tree, "ConfigMap")[0]["data"].clear(),
        }
        for expected, plant in planted.items():
            with self.subTest(expected):
                objects = copy.deepcopy(good)
                plant(objects)
                self.assertIn(expected, "\n".join(violations(objects, gpu=False)))


if __name__ == "__main__":
    if renderer() is None:
        print("skipped: neither kustomize nor kubectl is installed")
        sys.exit(77)
    unittest.main()
