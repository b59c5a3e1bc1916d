#pragma once
#include "cli/load_run.hpp"
#include "sim/laws.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

namespace gallery {

using namespace windtunnel;

inline std::filesystem::path folder() {
    return std::filesystem::path(WINDTUNNEL_SOURCE_DIR) / "scenarios" / "gallery";
}

/// Keeps everything that changes in a trial, and the laws.
struct Witness : LawObserver {
    struct PodChange {
        std::uint32_t pod = 0, workload = 0;
        PodState state = PodState::none;
        Tick at;
    };
    struct NodeChange {
        std::uint32_t node = 0;
        NodeState state = NodeState::none;
        Tick at;
    };
    using LawObserver::LawObserver;

    void request_ended(const RequestRecord& r) override {
        LawObserver::request_ended(r);
        requests.push_back(r);
    }
    void pod_changed(std::uint32_t p, const Pod& pod, Tick now) override {
        LawObserver::pod_changed(p, pod, now);
        pods.push_back({p, pod.workload, pod.state, now});
    }
    void node_changed(std::uint32_t n, const ClusterNode& node, Tick now) override {
        LawObserver::node_changed(n, node, now);
        nodes.push_back({n, node.state, now});
    }
    void scaled(const ScaleRecord& s) override { scalings.push_back(s); }

    std::vector<RequestRecord> requests;
    std::vector<PodChange> pods;
    std::vector<NodeChange> nodes;
    std::vector<ScaleRecord> scalings;
};

/// What a trial of a shipped scenario showed.
struct Shown {
    LoadedRun run;
    std::shared_ptr<const Trace> trace;
    TrialOutcome outcome;
    std::vector<std::string> broken;      ///< laws
    std::vector<RequestRecord> requests;  ///< in order of arrival
    std::vector<Witness::PodChange> pods;
    std::vector<Witness::NodeChange> nodes;
    std::vector<ScaleRecord> scalings;

    /// spec.replicas of a workload at t.
    [[nodiscard]] std::uint32_t desired(Tick t, std::uint32_t workload = 0) const {
        std::uint32_t value = run.scenario.parts.workloads[workload].initial_replicas;
        for (const ScaleRecord& s : scalings)
            if (s.workload == workload && s.at <= t) value = s.to;
        return value;
    }
    /// Pods of a workload in a state at t.
    [[nodiscard]] std::size_t count(PodState state, Tick t, std::uint32_t workload = 0) const {
        std::vector<PodState> now;
        for (const Witness::PodChange& c : pods) {
            if (c.workload != workload || c.at > t) continue;
            if (now.size() <= c.pod) now.resize(c.pod + 1, PodState::none);
            now[c.pod] = c.state;
        }
        return static_cast<std::size_t>(std::count(now.begin(), now.end(), state));
    }
    /// Scalings in [from, to).
    [[nodiscard]] std::size_t scalings_between(Tick from, Tick to) const {
        return static_cast<std::size_t>(
            std::count_if(scalings.begin(), scalings.end(),
                          [&](const ScaleRecord& s) { return from <= s.at && s.at < to; }));
    }
    /// Requests of a workload that arrived in [from, to).
    [[nodiscard]] std::vector<RequestRecord> arrived(Tick from, Tick to, std::uint32_t workload = 0) const {
        std::vector<RequestRecord> out;
        for (const RequestRecord& r : requests)
            if (from <= r.arrival && r.arrival < to && trace->requests[r.request].model == workload)
                out.push_back(r);
        return out;
    }
};

/// Runs a trial of scenarios/gallery/`file`, with assignments as of --set.
inline Shown show(const std::string& file, const std::vector<std::string>& assignments = {},
                  std::uint32_t trial = 0) {
    RunFlags flags;
    flags.scenario = (folder() / file).string();
    flags.assignments = assignments;
    Result<LoadedRun> loaded = load_run(flags);
    if (!loaded)
        for (const Problem& p : loaded.problems()) UNSCOPED_INFO(file << ": " << p.path << ": " << p.message);
    REQUIRE(loaded);
    Shown out;
    out.run = std::move(*loaded);
    out.trace = out.run.workload(trial);
    for (std::uint32_t growth = 1; growth < 1u << 12; growth *= 4) {
        const BlueprintBlock block = build(out.run.scenario.parts, growth);
        Witness witness(block.blueprint());
        TrialArena arena;
        out.outcome = run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(
            block.blueprint(), out.trace->view(), {out.run.seed, trial}, arena, witness);
        if (out.outcome.tally.status == TrialStatus::outgrew_arena) continue;
        out.broken = broken_laws(block.blueprint(), out.outcome);
        out.broken.insert(out.broken.end(), witness.broken.begin(), witness.broken.end());
        out.requests = std::move(witness.requests);
        std::sort(out.requests.begin(), out.requests.end(),
                  [](const RequestRecord& a, const RequestRecord& b) { return a.request < b.request; });
        out.pods = std::move(witness.pods);
        out.nodes = std::move(witness.nodes);
        out.scalings = std::move(witness.scalings);
        break;
    }
    REQUIRE(out.outcome.tally.status == TrialStatus::complete);
    return out;
}

inline constexpr Tick hours(double n) { return {static_cast<std::int64_t>(n * 3600) * ticks_per_second}; }
inline constexpr Tick minutes(std::int64_t n) { return seconds(60 * n); }

/// Mean time from arrival to first token of those that got one, in seconds.
inline double mean_wait_s(const std::vector<RequestRecord>& requests) {
    double sum = 0;
    std::size_t n = 0;
    for (const RequestRecord& r : requests)
        if (r.first_token != never) {
            sum += to_seconds(r.first_token - r.arrival);
            ++n;
        }
    return n > 0 ? sum / static_cast<double>(n) : 0;
}

/// The share of requests that completed with their first token within `ttft`.
inline double good_share(const std::vector<RequestRecord>& requests, Tick ttft) {
    const auto good = std::count_if(requests.begin(), requests.end(), [&](const RequestRecord& r) {
        return r.end == RequestEnd::completed && r.first_token - r.arrival <= ttft;
    });
    return requests.empty() ? 1 : static_cast<double>(good) / static_cast<double>(requests.size());
}

/// Minutes of [from, to) in which less than 95% of the arriving requests were good.
inline int degraded_minutes(const Shown& shown, Tick from, Tick to, Tick ttft, std::uint32_t workload = 0) {
    int degraded = 0;
    for (Tick t = from; t < to; t = t + minutes(1))
        degraded += good_share(shown.arrived(t, t + minutes(1), workload), ttft) < 0.95 ? 1 : 0;
    return degraded;
}

}  // namespace gallery
