#include "scenarios/prefill_pairing.hpp"

#include "scenarios/documents/suggest.hpp"

#include <algorithm>

namespace windtunnel {

namespace {

/// Of the first container that has it.
std::string variable_of(const WorkloadObject& object, const std::string& name) {
    for (const Container& c : object.pod.containers)
        if (std::string value = c.variable(name); !value.empty()) return value;
    return "";
}

}  // namespace

PairSide pair_side_of(const WorkloadObject& object) {
    for (const Labels* labels : {&object.pod.labels, &object.meta.labels}) {
        const auto role =
            labels->find("llm-d.ai/role");  // llm-d's ModelService chart, KServe's LLMInferenceService
        if (role == labels->end()) continue;
        if (role->second == "prefill") return PairSide::prefill;
        if (role->second == "decode") return PairSide::decode;
        return PairSide::none;
    }
    const KvRole role = object.server ? object.server->kv_role : KvRole::none;
    if (role == KvRole::producer) return PairSide::prefill;
    if (role == KvRole::consumer) return PairSide::decode;
    const std::string lmcache = variable_of(object, "LMCACHE_NIXL_ROLE");  // vLLM production stack
    if (lmcache == "sender") return PairSide::prefill;
    return lmcache == "receiver" ? PairSide::decode : PairSide::none;
}

void pair_up(const Scenario& scenario, WorkloadSpec& workload, const WorkloadObject& target,
             Findings& findings) {
    const auto error = [&](const std::string& path, const std::string& message) {
        findings.errors.push_back({workload.where, workload.path + path, message});
    };
    const auto title = [](const WorkloadObject& o) { return o.meta.title(); };
    const bool asked = !workload.prefilled_by.empty();
    std::vector<std::string> known;
    const ModelServer* server = workload.server ? &*workload.server
                                : target.server ? &*target.server
                                                : nullptr;
    if (pair_side_of(target) == PairSide::prefill && !asked)
        return error(".target", "found " + title(target) + ", which computes prompts for others only (" +
                                    "kv_producer, llm-d.ai/role: prefill or --disaggregation-mode prefill), "
                                    "allowed: the workload that answers");
    std::vector<const WorkloadObject*> candidates;
    for (const WorkloadObject& object : scenario.manifests.workloads) {
        if (&object == &target || !object.server) continue;
        known.push_back(title(object));
        if (pair_side_of(object) != PairSide::prefill || object.meta.name_space != target.meta.name_space)
            continue;
        if (!server || object.server->model == server->model || object.server->model.empty())
            candidates.push_back(&object);
    }
    if (asked && !workload.prefilled_by[0].target_name.empty()) {
        WorkloadSpec& by = workload.prefilled_by[0];
        const WorkloadObject* prefill = scenario.target_of(by);
        const std::string name = by.target_kind + "/" + by.target_name;
        if (prefill == &target)
            return error(".prefill.target",
                         "found " + name + ", which answers too, allowed: another workload");
        if (!prefill && !scenario.manifests.incomplete)
            return error(".prefill.target", "found " + name + ", which no manifest has" +
                                                did_you_mean(name, known) +
                                                (known.empty() ? "" : ", allowed: " + join(known)));
        if (prefill && !prefill->server && !by.server)
            return error(".prefill.target", "found " + name +
                                                ", which has no model server that is known, allowed: a vLLM "
                                                "container, or prefill.server");
        by.name = by.target_name;
        return;
    }
    if (!asked && pair_side_of(target) != PairSide::decode) {
        if (server && server->kv_role == KvRole::both)
            findings.warnings.push_back(
                {server->where, server->path,
                 "--kv-transfer-config kv_both: nothing says that other servers compute its prompts (label "
                 "llm-d.ai/role, workload.prefill), so every prompt is computed where it arrives; blocks "
                 "from other servers or tiers are not simulated"});
        return;
    }
    if (candidates.size() != 1) {
        std::vector<std::string> names;
        for (const WorkloadObject* c : candidates) names.push_back(title(*c));
        if (candidates.empty() && !asked && !scenario.manifests.incomplete)
            findings.warnings.push_back(
                {target.meta.where, title(target),
                 "goes on from prompts that other servers computed, and no manifest has one that computes "
                 "them: every prompt is computed where it arrives"});
        else if (!scenario.manifests.incomplete)
            error(".prefill.target",
                  candidates.empty()
                      ? "is missing, and no manifest says that it computes prompts for others, allowed: " +
                            (known.empty() ? "KIND/NAME" : join(known))
                      : "is missing, and the manifests hold several that compute prompts: allowed: one of " +
                            join(names));
        workload.prefilled_by.clear();
        workload.side = PairSide::none;
        return;
    }
    if (!asked) {
        workload.prefilled_by.emplace_back();
        workload.prefilled_by[0].where = workload.where;
        workload.prefilled_by[0].path = workload.path + ".prefill";
        workload.prefilled_by[0].side = PairSide::prefill;
    }
    workload.side = PairSide::decode;
    WorkloadSpec& by = workload.prefilled_by[0];
    by.target_kind = candidates[0]->meta.kind;
    by.target_name = by.name = candidates[0]->meta.name;
}

}  // namespace windtunnel
