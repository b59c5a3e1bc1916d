#include "policies/scheduler_message.hpp"

#include <algorithm>

namespace windtunnel {
namespace {

const char* reason_text(Rejection reason) {
    switch (reason) {
        case Rejection::unschedulable:
            return "node(s) were unschedulable";
        case Rejection::node_name:
            return "node(s) didn't match the requested node name";
        case Rejection::node_affinity:
            return "node(s) didn't match Pod's node affinity/selector";
        case Rejection::ports:
            return "node(s) didn't have free ports for the requested pod ports";
        case Rejection::volume_conflict:
            return "node(s) had no available disk";
        case Rejection::volume_limit:
            return "node(s) exceed max volume count";
        case Rejection::volume_binding:
            return "node(s) didn't find available persistent volumes to bind";
        case Rejection::volume_zone:
            return "node(s) had no available volume zone";
        case Rejection::spread_label:
            return "node(s) didn't match pod topology spread constraints (missing required label)";
        case Rejection::spread:
            return "node(s) didn't match pod topology spread constraints";
        case Rejection::affinity:
            return "node(s) didn't match pod affinity rules";
        case Rejection::anti_affinity:
            return "node(s) didn't match pod anti-affinity rules";
        case Rejection::existing_anti_affinity:
            return "node(s) didn't satisfy existing pods anti-affinity rules";
        default:
            return "";
    }
}

std::string word(const std::vector<std::string>& words, int i) {
    return static_cast<std::size_t>(i) < words.size() ? words[static_cast<std::size_t>(i)] : std::string();
}

void add(std::vector<std::string>& reasons, int count, const std::string& text) {
    if (count > 0) reasons.push_back(std::to_string(count) + " " + text);
}

void add_reasons(std::vector<std::string>& reasons, const RejectionCounts& counts,
                 const SchedulerWords& words) {
    for (int r = 1; r < static_cast<int>(Rejection::kinds); ++r) {
        const auto reason = static_cast<Rejection>(r);
        if (reason == Rejection::resources) {
            for (int kind = 0; kind < resource_kinds; ++kind)
                add(reasons, counts.short_of[kind],
                    kind == resource_pods ? "Too many pods" : "Insufficient " + word(words.resources, kind));
        } else if (reason == Rejection::taint) {
            for (int t = 0; t < max_counted_taints; ++t)
                add(reasons, counts.by_taint[t],
                    "node(s) had untolerated taint {" + word(words.taints, t) + "}");
        } else {
            add(reasons, counts.by_reason[r], reason_text(reason));
        }
    }
}

/// Sorted as text, counts included, as the scheduler does: "10 a" stands before "9 b".
std::string joined(int nodes, std::vector<std::string> reasons) {
    std::sort(reasons.begin(), reasons.end());
    std::string out = "0/" + std::to_string(nodes) + " nodes are available:";
    for (std::size_t i = 0; i < reasons.size(); ++i) out += (i == 0 ? " " : ", ") + reasons[i];
    return out + ".";
}

}  // namespace

std::string unschedulable_message(const RejectionCounts& counts, const SchedulerWords& words,
                                  PreemptionRefusal refusal, const PreemptionResult& preemption) {
    if (counts.nodes == 0) return "no nodes available to schedule pods";
    std::vector<std::string> reasons;
    add_reasons(reasons, counts, words);
    std::string out = joined(counts.nodes, std::move(reasons));
    switch (refusal) {
        case PreemptionRefusal::not_tried:
            return out;
        case PreemptionRefusal::policy_never:
            return out + " preemption: not eligible due to preemptionPolicy=Never.";
        case PreemptionRefusal::victims_terminating:
            return out + " preemption: not eligible due to a terminating pod on the nominated node.";
        case PreemptionRefusal::tried:
            break;
    }
    if (preemption.found()) return out;
    reasons.clear();
    add_reasons(reasons, preemption.unfit, words);
    add(reasons, preemption.not_helpful, "Preemption is not helpful for scheduling");
    add(reasons, preemption.no_victims, "No preemption victims found for incoming pod");
    return out + " preemption: " + joined(counts.nodes, std::move(reasons));
}

}  // namespace windtunnel
