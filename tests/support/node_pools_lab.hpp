#pragma once
#include "scenarios/compile/compile.hpp"
#include "scenarios/compile/workload_source.hpp"
#include "sim/laws.hpp"
#include "sim/run_trial.hpp"
#include "tests/support/problem_lines.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

/// Manifests with nodes of their own, compiled within a small scenario and run.
namespace windtunnel::lab {

/// A vLLM server as the tutorials deploy it: one GPU, an 8B model.
inline std::string deployment(const std::string& pod_spec = "", const std::string& replicas = "1") {
    return R"yaml(---
apiVersion: apps/v1
kind: Deployment
metadata: {name: chat}
spec:
  replicas: )yaml" +
           replicas + R"yaml(
  selector: {matchLabels: {app: chat}}
  template:
    metadata: {labels: {app: chat}}
    spec:
)yaml" + pod_spec +
           R"yaml(      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.8.5
        args: [--model, meta-llama/Llama-3.1-8B-Instruct, --max-model-len, "8192"]
        resources: {requests: {cpu: "2", memory: 10Gi}, limits: {nvidia.com/gpu: "1"}}
)yaml";
}

inline const std::string node_class = R"yaml(---
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: default}
spec:
  amiSelectorTerms: [{alias: al2023@latest}]
  role: KarpenterNodeRole-demo
  subnetSelectorTerms: [{tags: {karpenter.sh/discovery: demo}}]
  securityGroupSelectorTerms: [{tags: {karpenter.sh/discovery: demo}}]
)yaml";

/// As in Karpenter's documentation, for GPUs.
inline std::string node_pool(const std::string& requirements, const std::string& rest = "", const std::string& name = "gpu", const std::string& node_spec = "") {
    return R"yaml(---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: )yaml" + name +
           R"yaml(}
spec:
  template:
    spec:
      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}
      requirements:
      - {key: kubernetes.io/arch, operator: In, values: [amd64]}
      - {key: kubernetes.io/os, operator: In, values: [linux]}
)yaml" + requirements +
           node_spec + rest;
}
inline const std::string on_demand = "      - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}\n";
inline const std::string both = "      - {key: karpenter.sh/capacity-type, operator: In, values: [spot, on-demand]}\n";
inline const std::string g_five_up =
    "      - {key: karpenter.k8s.aws/instance-category, operator: In, values: [g]}\n"
    "      - {key: karpenter.k8s.aws/instance-generation, operator: Gt, values: [\"4\"]}\n";

struct Compiled {
    Problems errors;
    CompiledScenario scenario;
    std::vector<PoolSpec> pools;
    std::shared_ptr<const Trace> trace;
    TrialOutcome outcome;
    std::vector<std::string> broken;
};

/// Compiles manifests with a scenario around them and runs a trial.
inline Compiled run(const std::string& manifests, const std::string& scenario_lines = "  cloud: aws\n  region: us-east-1\n", const std::string& more = "", const char* extension = "yaml", const std::string& extra = "") {
    static int number = 0;
    namespace fs = std::filesystem;
    const fs::path folder = fs::temp_directory_path() / ("windtunnel_pools_" + std::to_string(::getpid()) + "_" + std::to_string(number++));
    fs::create_directories(folder / "k8s");
    std::ofstream(folder / "k8s" / (std::string("all.") + extension)) << manifests;
    if (!extra.empty()) std::ofstream(folder / "k8s" / "more.yaml") << extra;
    std::ofstream(folder / "scenario.yaml") << "apiVersion: windtunnel/v1\nkind: Scenario\nname: pools\nmanifests: [k8s/]\n"
                                               "workload:\n  synthetic: {preset: azure-conv-2023, rate_rps: 0.2, duration_s: 1800}\n  on_no_endpoints: hold\n"
                                               "  cold_start: [{name: load, median_s: 60}]\ncluster:\n"
                                            << scenario_lines << more;
    ScenarioInputs inputs;
    inputs.scenario_file = (folder / "scenario.yaml").string();
    std::istringstream nothing;
    Compiled out;
    auto scenario = read_scenario(inputs, nothing);
    fs::remove_all(folder);
    if (!scenario) {
        out.errors = scenario.problems();
        return out;
    }
    out.pools = scenario->cluster.pools;
    auto source = WorkloadSource::make(*scenario, 1);
    REQUIRE(source);
    auto compiled = compile_scenario(*scenario, *source);
    if (!compiled) {
        out.errors = compiled.problems();
        return out;
    }
    out.scenario = std::move(*compiled);
    out.trace = source->trial(0);
    for (std::uint32_t growth = 1; growth < 4096; growth *= 4) {
        const BlueprintBlock block = build(out.scenario.parts, growth);
        TrialArena arena;
        out.outcome = run_trial(block.blueprint(), out.trace->view(), {1, 0}, arena);
        if (out.outcome.tally.status == TrialStatus::outgrew_arena) continue;
        out.broken = broken_laws(block.blueprint(), out.outcome);
        break;
    }
    return out;
}

inline Compiled good(const std::string& manifests, const std::string& scenario_lines = "  cloud: aws\n  region: us-east-1\n", const std::string& more = "", const char* extension = "yaml", const std::string& extra = "") {
    Compiled out = run(manifests, scenario_lines, more, extension, extra);
    INFO(lines(out.errors));
    REQUIRE(out.errors.empty());
    CHECK(out.broken == std::vector<std::string>{});
    return out;
}

inline const PoolSpec& pool_named(const Compiled& c, const std::string& name) {
    const auto found = std::find_if(c.pools.begin(), c.pools.end(), [&](const PoolSpec& p) { return p.name == name; });
    REQUIRE(found != c.pools.end());
    return *found;
}

}  // namespace windtunnel::lab
