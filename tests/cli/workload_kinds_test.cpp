// From manifests with every kind of workload to the blueprint, and what a trial of it counts.
#include "cli/load_run.hpp"
#include "sim/laws.hpp"
#include "tests/support/program_run.hpp"

using namespace windtunnel;

namespace {

constexpr const char* kinds_scenario = R"(apiVersion: windtunnel/v1
kind: Scenario
name: kinds
manifests: m.yaml
workload:
  synthetic: {preset: azure-conv-2023, rate_rps: 0.1, duration_s: 7200}
  target: LeaderWorkerSet/big
start_time: 2026-03-03T10:00
cluster:
  cloud: aws
  region: us-east-1
  pools: [{name: l4, instance_type: g6.xlarge, min: 0, max: 9}]
)";

const std::string gpu_pod = R"(containers: [{name: c, image: x:1, resources: {limits: {nvidia.com/gpu: 1, cpu: 1, memory: 1Gi}}}])";

std::string manifests() {
    return R"(apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: big}
spec:
  replicas: 1
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      spec:
        containers:
          - name: vllm
            image: vllm/vllm-openai:v0.10.2
            command: ["vllm", "serve", "Qwen/Qwen2.5-14B-Instruct"]
            args: [--max-model-len=8192, --pipeline-parallel-size=2, --no-enable-prefix-caching]
            ports: [{containerPort: 8000}]
            resources: {requests: {cpu: "2", memory: 10Gi}, limits: {nvidia.com/gpu: 1}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  replicas: 2
  serviceName: store
  podManagementPolicy: Parallel
  updateStrategy: {rollingUpdate: {partition: 1}}
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec:
      )" + gpu_pod + R"(
---
apiVersion: v1
kind: Pod
metadata: {name: notebook}
spec:
  )" + gpu_pod + R"(
---
apiVersion: batch/v1
kind: Job
metadata: {name: once, annotations: {windtunnel.dev/run-time-s: "60"}}
spec:
  completions: 3
  parallelism: 2
  template:
    spec:
      restartPolicy: Never
      )" + gpu_pod + R"(
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: hourly, annotations: {windtunnel.dev/run-time-s: "60"}}
spec:
  schedule: "15 * * * *"
  concurrencyPolicy: Forbid
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          )" + gpu_pod + R"(
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      containers: [{name: a, image: agent:1, resources: {requests: {cpu: 200m, memory: 256Mi}}}]
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: gpus}
spec:
  hard: {requests.nvidia.com/gpu: "7", limits.memory: 1Ti}
)";
}

Result<LoadedRun> load(const program::Folder& folder, const std::vector<std::string>& assignments = {}) {
    RunFlags flags;
    flags.scenario = (folder.path() / "scenario.yaml").string();
    flags.assignments = assignments;
    return load_run(flags);
}

std::string first_problem(const Result<LoadedRun>& loaded) {
    return loaded ? "" : loaded.problems().front().path + ": " + loaded.problems().front().message;
}

}  // namespace

TEST_CASE("kinds of workloads: each has its controller in the blueprint, and a trial runs them all") {
    const program::Folder folder;
    folder.write("scenario.yaml", kinds_scenario);
    // The quota over limits makes every container state one: the group's server does not.
    folder.write("m.yaml", manifests());
    CHECK_THAT(first_problem(load(folder)), Catch::Contains("container vllm states no limits.memory"));
    folder.replace("m.yaml", ", limits.memory: 1Ti", "");
    Result<LoadedRun> loaded = load(folder);
    INFO(first_problem(loaded));
    REQUIRE(loaded);
    const BlueprintParts& parts = loaded->scenario.parts;
    REQUIRE(parts.workloads.size() == 5);
    const WorkloadPlan &big = parts.workloads[0], &store = parts.workloads[1], &notebook = parts.workloads[2],
                       &once = parts.workloads[3], &hourly = parts.workloads[4];
    CHECK(big.controller == WorkloadController::ordinals);
    CHECK(big.ordinals.group_size == 2);
    CHECK(big.pod_slots == 2);
    CHECK(big.ordinals.management == PodManagement::parallel);
    CHECK(store.controller == WorkloadController::ordinals);
    CHECK(store.ordinals.management == PodManagement::parallel);
    CHECK(store.ordinals.partition == 1);
    CHECK(notebook.controller == WorkloadController::bare_pod);
    CHECK(once.controller == WorkloadController::batch_job);
    CHECK(once.job.completions == 3);
    CHECK(once.job.parallelism == 2);
    CHECK(hourly.cron == 0);
    CHECK(parts.cron_hits == std::vector<Tick>{seconds(900), seconds(4500)});  // 10:15, 11:15
    CHECK(parts.shapes[0].daemons == resource_amounts(0, 200, std::int64_t{256} << 20, 1));
    REQUIRE(parts.quotas.size() == 1);
    CHECK(parts.quotas[0].hard[resource_gpus] == 7);

    const BlueprintBlock block = build(parts, 16);
    LawObserver laws(block.blueprint());
    TrialArena arena;
    const std::shared_ptr<const Trace> trace = loaded->workload(0);
    const TrialOutcome o = run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(
        block.blueprint(), trace->view(), {1, 0}, arena, laws);
    CHECK(broken_laws(block.blueprint(), o).empty());
    CHECK(laws.broken.empty());
    CHECK(o.tally.jobs_complete == 3);            // the Job, and two of the CronJob's
    CHECK(o.tally.ready_replicas.most == 1);      // a group is one replica
    CHECK(o.tally.requests.completed > 0);
    CHECK(o.tally.gpus.most == 7);                // 2 + 2 + 1 + 2 at t = 0
    // The quota is full, and what the Job's first pods held is free 500 ms after their end: until then its third
    // is refused at 0, 5, 15, 35, 75, 155 and 315 ms.
    CHECK(o.tally.creations_refused == 7);
}

TEST_CASE("kinds of workloads: a Job with GPUs has to say how long it runs") {
    const program::Folder folder;
    folder.write("scenario.yaml", kinds_scenario);
    folder.write("m.yaml", manifests());
    folder.replace("m.yaml", ", limits.memory: 1Ti", "");
    folder.replace("m.yaml", "{name: once, annotations: {windtunnel.dev/run-time-s: \"60\"}}", "{name: once}");
    CHECK_THAT(first_problem(load(folder)), Catch::Contains("windtunnel.dev/run-time-s"));
}

namespace {

/// Four pods of one unit of `resource` each, a pool of A100s or L4s, and what divides these.
std::string divided(const std::string& resource, const std::string& units, const std::string& arguments) {
    return R"(apiVersion: apps/v1
kind: Deployment
metadata: {name: chat}
spec:
  replicas: 4
  selector: {matchLabels: {app: chat}}
  template:
    metadata: {labels: {app: chat}}
    spec:
      containers:
        - name: vllm
          image: vllm/vllm-openai:v0.10.2
          args: [--model=Qwen/Qwen2.5-1.5B-Instruct, --max-model-len=4096, --no-enable-prefix-caching, )" +
           arguments + R"(]
          resources: {requests: {cpu: "1", memory: 4Gi}, limits: {)" +
           resource + ": " + units + R"(}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: layouts}
data:
  config.yaml: |
    version: v1
    mig-configs:
      sevens: [{devices: all, mig-enabled: true, mig-devices: {1g.10gb: 7}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: plugin}
data:
  four: |
    version: v1
    sharing: {timeSlicing: {renameByDefault: true, resources: [{name: nvidia.com/gpu, replicas: 4}]}}
  two: |
    version: v1
    sharing: {timeSlicing: {resources: [{name: nvidia.com/gpu, replicas: 2}]}}
)";
}

std::string pool_of(const std::string& gpu, const std::string& more) {
    return R"(apiVersion: windtunnel/v1
kind: Scenario
name: divided
manifests: m.yaml
workload:
  synthetic: {preset: azure-conv-2023, rate_rps: 1, duration_s: 120}
  target: Deployment/chat
  routing: least-requests
cluster:
  pools: [{name: pool, instance_type: node, gpu: )" +
           gpu + ", gpus_per_node: 1, cpu: 16, memory: 64Gi, price_usd_per_hour: 1, min: 1, max: 9, " + more + "}]\n";
}

struct Divided {
    Result<LoadedRun> loaded;
    TrialOutcome outcome;
};

Divided run_divided(const std::string& scenario_text, const std::string& manifests_text) {
    const program::Folder folder;
    folder.write("scenario.yaml", scenario_text);
    folder.write("m.yaml", manifests_text);
    Divided out{load(folder), {}};
    INFO(first_problem(out.loaded));
    REQUIRE(out.loaded);
    const BlueprintBlock block = build(out.loaded->scenario.parts, 16);
    LawObserver laws(block.blueprint());
    TrialArena arena;
    const std::shared_ptr<const Trace> trace = out.loaded->workload(0);
    out.outcome = run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(block.blueprint(), trace->view(), {1, 0}, arena, laws);
    CHECK(broken_laws(block.blueprint(), out.outcome) == std::vector<std::string>{});
    CHECK(laws.broken == std::vector<std::string>{});
    return out;
}

}  // namespace

TEST_CASE("divided GPUs: slices of the layout that a node's label names are scheduled, and a server has one of them") {
    const std::string scenario_text = pool_of("a100-sxm-80gb", "labels: {nvidia.com/mig.config: sevens, nvidia.com/mig.strategy: mixed}");
    const Divided d = run_divided(scenario_text, divided("nvidia.com/mig-1g.10gb", "1", "--gpu-memory-utilization=0.9"));
    const CompiledScenario& s = d.loaded->scenario;
    CHECK(s.extended.names() == std::vector<std::string>{"nvidia.com/gpu", "nvidia.com/mig-1g.10gb"});
    CHECK(s.parts.shapes[0].allocatable[resource_gpus] == 0);
    CHECK(s.parts.shapes[0].allocatable[resource_gpus + 1] == 7);
    CHECK(s.parts.shapes[0].devices[1].den == 7);
    CHECK(s.workloads[0].gpu == "a100-sxm-80gb/1g.10gb");
    CHECK(s.workloads[0].capacity.gpu.multiprocessors == 14);
    CHECK(d.outcome.tally.ready_replicas.most == 4);
    CHECK(d.outcome.tally.nodes.most == 1);
    const RequestCounts& requests = d.outcome.tally.requests;  // a few prompts are longer than the model takes
    CHECK(requests.completed + requests.rejected == requests.arrived);

    // Under strategy single the same slices are nvidia.com/gpu; eight pods need a second GPU.
    const std::string single = pool_of("a100-sxm-80gb", "labels: {nvidia.com/mig.config: all-1g.10gb}");
    std::string eight = divided("nvidia.com/gpu", "1", "--gpu-memory-utilization=0.9");
    eight.replace(eight.find("replicas: 4"), 11, "replicas: 8");
    const Divided two = run_divided(single, eight);
    CHECK(two.loaded->scenario.parts.shapes[0].allocatable[resource_gpus] == 7);
    CHECK(two.loaded->scenario.workloads[0].gpu == "a100-sxm-80gb/1g.10gb");
    CHECK(two.outcome.tally.nodes.most == 2);

    const auto problem = [](const std::string& pool, const std::string& text) {
        const program::Folder folder;
        folder.write("scenario.yaml", pool);
        folder.write("m.yaml", text);
        return first_problem(load(folder));
    };
    CHECK_THAT(problem(scenario_text, divided("nvidia.com/mig-2g.20gb", "1", "--enforce-eager")), Catch::Contains("a node has 7 x nvidia.com/mig-1g.10gb"));
    CHECK_THAT(problem(pool_of("a100-sxm-80gb", "labels: {nvidia.com/mig.config: all-1g.5gb}"), divided("nvidia.com/gpu", "1", "--enforce-eager")), Catch::Contains("which is no layout"));
    CHECK_THAT(problem(pool_of("l4-24gb", "labels: {nvidia.com/mig.config: all-1g.5gb}"), divided("nvidia.com/gpu", "1", "--enforce-eager")), Catch::Contains("cannot be sliced"));
    CHECK_THAT(problem(scenario_text, divided("nvidia.com/mig-1g.10gb", "2", "--tensor-parallel-size=2")), Catch::Contains("cannot talk to each other"));
    CHECK_THAT(problem(pool_of("mi300x-192gb", "zone: a"), divided("nvidia.com/gpu", "1", "--enforce-eager")), Catch::Contains("a node has 1 x amd.com/gpu"));
    CHECK(problem(pool_of("mi300x-192gb", "zone: a, initial: 4"), divided("amd.com/gpu", "1", "--enforce-eager")).empty());
    CHECK_THAT(problem(pool_of("l4-24gb", "zone: a"), divided("gpu.intel.com/i915", "1", "--enforce-eager")), Catch::Contains("gpu.intel.com/i915 1"));
}

TEST_CASE("divided GPUs: pods that share a GPU by time have all of its memory together, and part of its time each") {
    const std::string shared = pool_of("l4-24gb", "labels: {nvidia.com/device-plugin.config: four}");
    const Divided fits = run_divided(shared, divided("nvidia.com/gpu.shared", "1", "--gpu-memory-utilization=0.24"));
    CHECK(fits.loaded->scenario.parts.most_turns == 4);
    CHECK(fits.loaded->scenario.parts.shapes[0].allocatable[resource_gpus + 1] == 4);
    CHECK(fits.loaded->scenario.workloads[0].gpu == "l4-24gb");
    CHECK(fits.outcome.tally.ready_replicas.most == 4);
    CHECK(fits.outcome.tally.nodes.most == 1);
    CHECK(fits.outcome.tally.container_restarts == 0);
    // A GPU each is faster, by more than the queueing that four replicas save.
    const Divided alone = run_divided(pool_of("l4-24gb", "initial: 4"), divided("nvidia.com/gpu", "1", "--gpu-memory-utilization=0.24"));
    CHECK(alone.outcome.tally.nodes.most == 4);
    CHECK(2 * alone.outcome.tally.tpot.ticks.low < fits.outcome.tally.tpot.ticks.low);
    // At 0.6 of the memory each, the second process of a GPU finds too little of it.
    const Divided full = run_divided(pool_of("l4-24gb", "labels: {nvidia.com/device-plugin.config: two}"), divided("nvidia.com/gpu", "1", "--gpu-memory-utilization=0.6"));
    CHECK(full.loaded->scenario.parts.most_turns == 2);
    CHECK(full.outcome.tally.nodes.most == 2);
    CHECK(full.outcome.tally.ready_replicas.most == 2);
    CHECK(full.outcome.tally.container_restarts > 0);
    // CUDA MPS gives each client a fixed quarter.
    const Divided parts = run_divided(pool_of("l4-24gb", "gpu_sharing: {mps: 4}"), divided("nvidia.com/gpu", "1", "--gpu-memory-utilization=0.9"));
    CHECK(parts.loaded->scenario.workloads[0].gpu == "l4-24gb/mps-4");
    CHECK(parts.loaded->scenario.parts.most_turns == 1);
    CHECK(parts.outcome.tally.ready_replicas.most == 4);
    CHECK(parts.outcome.tally.nodes.most == 1);
}

TEST_CASE("quotas: a key that a run cannot hold is an error, one that the manifests fill already too") {
    const auto problem = [](const std::string& hard, const std::string& more = "") {
        const program::Folder folder;
        folder.write("scenario.yaml", pool_of("l4-24gb", "initial: 4"));
        folder.write("m.yaml", divided("nvidia.com/gpu", "1", "--enforce-eager") + "---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q}\nspec: {hard: {" + hard + "}}\n" + more);
        return first_problem(load(folder));
    };
    CHECK(problem("count/deployments.apps: 1, count/configmaps: 2, configmaps: 2, services: 0, requests.ephemeral-storage: 1Gi, count/pods: 9") == "");
    CHECK_THAT(problem("count/deployments.apps: 0"), Catch::Contains("allows 0, but the manifests bring 1 of them"));
    CHECK_THAT(problem("count/replicasets.apps: 0"), Catch::Contains("one for each revision"));
    CHECK_THAT(problem("configmaps: 1"), Catch::Contains("bring 2"));
    CHECK_THAT(problem("persistentvolumeclaims: 0", "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: p}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}}\n"), Catch::Contains("bring 1"));
    CHECK_THAT(problem("requests.storage: 1Gi", "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: p}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}}\n"), Catch::Contains("bytes of claims"));
    // Ephemeral storage acts like cpu: two of four pods of 1 GiB have room in 2 GiB.
    std::string text = divided("nvidia.com/gpu", "1", "--enforce-eager") + "---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q}\nspec: {hard: {ephemeral-storage: 2Gi}}\n";
    text.replace(text.find("memory: 4Gi"), 11, "memory: 4Gi, ephemeral-storage: 1Gi");
    const Divided two = run_divided(pool_of("l4-24gb", "initial: 4"), text);
    CHECK(two.outcome.tally.ready_replicas.most == 2);
    CHECK(two.outcome.tally.creations_refused > 0);
}
