#include "tests/bench/control_plane_files.hpp"

#include <fmt/format.h>
#include <fmt/os.h>
#include <algorithm>
#include <vector>

namespace windtunnel {
namespace {

/// Nodes of one kind of GPU; workloads take turns among the kinds.
struct GpuKind {
    const char* label;
    const char* instance_type;
    int gpus;
    std::vector<const char*> zones;
    int turns;  ///< of ten workloads, how many run on it
};
const GpuKind kinds[] = {
    {"l4", "g6.12xlarge", 4, {"us-east-1a", "us-east-1b", "us-east-1c"}, 3},
    {"l40s", "g6e.12xlarge", 4, {"us-east-1a", "us-east-1b", "us-east-1c"}, 3},
    {"a100", "p4d.24xlarge", 8, {"us-east-1a", "us-east-1b"}, 2},
    {"h100", "p5.48xlarge", 8, {"us-east-1a", "us-east-1b"}, 2},
};

const GpuKind& kind_of(int workload) {
    int turn = workload % 10;
    for (const GpuKind& kind : kinds) {
        if (turn < kind.turns) return kind;
        turn -= kind.turns;
    }
    return kinds[0];
}

/// Workloads differ in size: from 0.6 to 1.4 of the average.
int peak_of(int workload, const ControlPlaneSize& size) {
    return std::max(2, size.replicas * (60 + workload * 37 % 81) / 100);
}
int night_of(int workload, const ControlPlaneSize& size) { return std::max(1, peak_of(workload, size) / 3); }

std::string name_of(int workload) { return fmt::format("w{:03}", workload); }

void write_deployment(fmt::ostream& out, int w, const ControlPlaneSize& size) {
    out.print(R"(apiVersion: apps/v1
kind: Deployment
metadata: {{name: {0}, namespace: serving}}
spec:
  replicas: {1}
  selector: {{matchLabels: {{app: {0}}}}}
  template:
    metadata: {{labels: {{app: {0}}}}}
    spec:
      nodeSelector: {{gpu: {2}}}
      terminationGracePeriodSeconds: 60
      containers:
        - name: vllm
          image: vllm/vllm-openai:v0.10.2
          args: [--model, meta-llama/Llama-3.1-8B-Instruct, --max-model-len, "8192", --max-num-seqs, "64", --no-enable-prefix-caching]
          ports: [{{name: http, containerPort: 8000}}]
          resources: {{requests: {{cpu: "3", memory: 16Gi}}, limits: {{nvidia.com/gpu: 1}}}}
          startupProbe: {{httpGet: {{path: /health, port: http}}, periodSeconds: 10, failureThreshold: 60}}
          readinessProbe: {{httpGet: {{path: /health, port: http}}, periodSeconds: 5}}
          livenessProbe: {{httpGet: {{path: /health, port: http}}, periodSeconds: 10}}
          lifecycle: {{preStop: {{sleep: {{seconds: 15}}}}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: {0}, namespace: serving}}
spec: {{maxUnavailable: 10%, selector: {{matchLabels: {{app: {0}}}}}}}
---
)",
              name_of(w), night_of(w, size), kind_of(w).label);
}

/// Three sorts in turn: KEDA on a rate and a cron schedule, an HPA on a pods' metric, KEDA on the requests in
/// the engines with a floor by day.
void write_autoscaler(fmt::ostream& out, int w, const ControlPlaneSize& size, double rps) {
    const int peak = peak_of(w, size), night = night_of(w, size), most = peak + peak / 2 + 2;
    if (w % 3 == 1) {
        out.print(R"(apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: {0}, namespace: serving}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {0}}}
  minReplicas: {1}
  maxReplicas: {2}
  metrics:
    - type: Pods
      pods:
        metric: {{name: request_rate}}
        target: {{type: AverageValue, averageValue: {3}u}}
    - type: Resource
      resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 60}}}}
---
)",
                  name_of(w), night, most, std::max(1, static_cast<int>(1e6 * 1.6 * rps / peak)));
        return;
    }
    out.print(R"(apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: {0}, namespace: serving}}
spec:
  scaleTargetRef: {{name: {0}}}
  minReplicaCount: {1}
  maxReplicaCount: {2}
  triggers:
    - type: prometheus
      metadata:
        serverAddress: http://prometheus:9090
        query: {3}
        threshold: "{4:.6f}"
    - type: cron
      metadata: {{timezone: Etc/UTC, start: {5} {6} * * *, end: {5} {7} * * *, desiredReplicas: "{8}"}}
---
)",
              name_of(w), night, most,
              w % 3 == 0
                  ? fmt::format("sum(rate(vllm:request_success_total{{deployment=\"{}\"}}[10m]))", name_of(w))
                  : fmt::format("sum(vllm:num_requests_running{{deployment=\"{0}\"}}) + "
                                "sum(vllm:num_requests_waiting{{deployment=\"{0}\"}})",
                                name_of(w)),
              1.6 * rps / peak * (w % 3 == 0 ? 1.0 : 12.0), w * 7 % 60, 7 + w % 3, 17 + w % 4, peak * 4 / 5);
}

void write_pools(fmt::ostream& out, const ControlPlaneSize& size) {
    out.print("  pools:\n");
    for (const GpuKind& kind : kinds) {
        int peak = 0, night = 0;
        for (int w = 0; w < size.workloads; ++w)
            if (&kind_of(w) == &kind) {
                peak += peak_of(w, size);
                night += night_of(w, size);
            }
        const int groups = static_cast<int>(kind.zones.size());
        for (int z = 0; z < groups; ++z)
            out.print(
                "    - {{name: {}-{}, instance_type: {}, zone: {}, min: {}, max: {}, labels: {{gpu: {}}}}}\n",
                kind.label, kind.zones[static_cast<std::size_t>(z)], kind.instance_type,
                kind.zones[static_cast<std::size_t>(z)], night / kind.gpus / groups / 2,
                (peak + peak / 2 + night) / kind.gpus / groups + 4, kind.label);
    }
}

/// The same kinds of nodes as Karpenter's NodePools: their types may be bought in every zone of the region.
void write_node_pools(fmt::ostream& out) {
    out.print(R"(apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {{name: gpu}}
spec:
  amiSelectorTerms: [{{alias: al2023@v20250701}}]
  role: KarpenterNodeRole-prod
  subnetSelectorTerms: [{{tags: {{karpenter.sh/discovery: prod}}}}]
  securityGroupSelectorTerms: [{{tags: {{karpenter.sh/discovery: prod}}}}]
status:
  subnets: [{{id: subnet-1, zone: us-east-1a}}, {{id: subnet-2, zone: us-east-1b}}]
---
)");
    for (const GpuKind& kind : kinds)
        out.print(R"(apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {{name: {0}}}
spec:
  template:
    metadata: {{labels: {{gpu: {0}}}}}
    spec:
      nodeClassRef: {{group: karpenter.k8s.aws, kind: EC2NodeClass, name: gpu}}
      requirements:
      - {{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}}
      - {{key: node.kubernetes.io/instance-type, operator: In, values: [{1}]}}
      - {{key: topology.kubernetes.io/zone, operator: In, values: [us-east-1a, us-east-1b]}}
  disruption: {{consolidationPolicy: WhenEmptyOrUnderutilized, consolidateAfter: 5m, budgets: [{{nodes: 10%}}]}}
  limits: {{nvidia.com/gpu: 8000}}
---
)",
                  kind.label, kind.instance_type);
}

void write_events(fmt::ostream& out, const ControlPlaneSize& size) {
    const double day = size.hours * 3600;
    for (int w = 0; w < size.workloads; w += 10)
        out.print("  - {{at_s: {:.0f}, rollout: Deployment/{}}}\n", day * 0.4 + w * 30, name_of(w));
    for (int i = 0; i < 8; ++i) {
        const GpuKind& kind = kinds[i % 4];
        out.print("  - {{at_s: {:.0f}, {}: {}, count: 2}}\n", day * (0.45 + 0.05 * i),
                  i % 3 == 2 ? "lose_node" : "drain_node",
                  size.karpenter ? kind.label : fmt::format("{}-{}", kind.label, kind.zones[0]));
    }
}

}  // namespace

std::string write_control_plane(const std::filesystem::path& folder, const ControlPlaneSize& size) {
    std::filesystem::create_directories(folder);
    const double rps = size.requests_per_second / size.workloads;
    fmt::ostream manifests = fmt::output_file((folder / "k8s.yaml").string());
    for (int w = 0; w < size.workloads; ++w) {
        write_deployment(manifests, w, size);
        write_autoscaler(manifests, w, size, rps);
    }
    if (size.karpenter) write_node_pools(manifests);
    manifests.close();
    const std::string path = (folder / "scenario.yaml").string();
    fmt::ostream scenario = fmt::output_file(path);
    scenario.print(
        "apiVersion: windtunnel/v1\nkind: Scenario\nname: control_plane\nmanifests: [k8s.yaml]\n"
        "metrics: {{request_rate: 'rate(vllm:request_success_total[10m])'}}\nworkload:\n");
    for (int w = 0; w < size.workloads; ++w)
        scenario.print(
            "  - {{target: Deployment/{}, routing: least-requests, on_no_endpoints: hold, synthetic: "
            "{{rate_rps: {}, "
            "duration_s: {:.0f}, profile: daily, prompt_tokens: 300, output_tokens: 40}}}}\n",
            name_of(w), rps, size.hours * 3600);
    scenario.print("start_time: 2026-03-03T00:00\ncluster:\n  cloud: aws\n  region: us-east-1\n");
    if (!size.karpenter) write_pools(scenario, size);
    scenario.print("events:\n");
    write_events(scenario, size);
    scenario.close();
    return path;
}

}  // namespace windtunnel
