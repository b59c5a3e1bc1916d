// From manifests with every kind of workload to the blueprint, and what a trial of it counts.
#include "cli/load_run.hpp"
#include "sim/laws.hpp"
#include "tests/support/program_run.hpp"

using namespace windtunnel;

namespace {

constexpr const char* scenario = R"(apiVersion: windtunnel/v1
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
    folder.write("scenario.yaml", scenario);
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
    folder.write("scenario.yaml", scenario);
    folder.write("m.yaml", manifests());
    folder.replace("m.yaml", ", limits.memory: 1Ti", "");
    folder.replace("m.yaml", "{name: once, annotations: {windtunnel.dev/run-time-s: \"60\"}}", "{name: once}");
    CHECK_THAT(first_problem(load(folder)), Catch::Contains("windtunnel.dev/run-time-s"));
}
