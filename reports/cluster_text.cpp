#include "reports/cluster_text.hpp"

#include "reports/human.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

namespace windtunnel {

namespace {

std::string counted(std::uint64_t n, std::string_view one) {
    return fmt::format("{} {}{}", thousands(static_cast<std::int64_t>(n)), one, n == 1 ? "" : "s");
}

std::string place(const BindingLimit& l) {
    if (l.where.file.empty()) return "";
    return l.where.line > 0 ? fmt::format(" ({}:{})", l.where.file, l.where.line)
                            : fmt::format(" ({})", l.where.file);
}

/// What a condition says when all is well.
bool is_ordinary(const HeldCondition& c) {
    if (c.type == "AbleToScale") return true;
    if (c.type == "ScalingLimited" || c.type == "Fallback") return c.status == "False";
    if (c.type == "Active") return true;
    return c.status == "True";
}

class Lines {
public:
    Lines(const ClusterLog& log, bool all) : m_log(log), m_all(all) {}

    std::vector<ClusterLine> run() {
        for (const AutoscalerLog& a : m_log.autoscalers) autoscaler(a);
        for (const PoolLog& p : m_log.pools) pool(p);
        pending();
        for (const WorkloadLog& w : m_log.workloads) workload(w);
        for (const FragmentationLog& f : m_log.fragmentation) fragmentation(f);
        for (const StartLog& s : m_log.starts) start(s);
        return std::move(m_out);
    }

private:
    void say(const char* label, std::string text, bool alarming) {
        m_out.push_back({label, std::move(text), alarming});
    }

    void autoscaler(const AutoscalerLog& a) {
        std::vector<std::string> parts;
        bool alarming = false;
        for (const HeldCondition& c : a.conditions) {
            if (is_ordinary(c) && !m_all) continue;
            if (c.reason == "TooFewReplicas" && !m_all) continue;  // at its minimum: the ordinary night
            parts.push_back(fmt::format("{}={} {} for {}", c.type, c.status, c.reason, spoken_duration(c.held_s)));
            alarming = alarming || !is_ordinary(c);
        }
        for (const BindingLimit& l : a.limits)
            parts.push_back(fmt::format("{} {} binds from {} for {}{}", l.limit, l.value, clock_text(l.first_s),
                                        spoken_duration(l.held_s), place(l)));
        const auto ups = static_cast<std::uint64_t>(std::count_if(
            a.scalings.begin(), a.scalings.end(), [](const ScalingEntry& s) { return s.to > s.from; }));
        if (parts.empty() && a.scalings.empty() && !m_all) return;
        say("Autoscaler",
            fmt::format("{}: scaled up {}, down {}{}{}", a.name, counted(ups, "time"),
                        counted(a.scalings.size() - ups, "time"), parts.empty() ? "" : " · ",
                        fmt::join(parts, " · ")),
            alarming || !a.limits.empty());
    }

    void pool(const PoolLog& p) {
        std::vector<std::string> parts;
        if (p.limit)
            parts.push_back(fmt::format("its maximum of {} nodes binds from {} for {}{}", p.limit->value,
                                        clock_text(p.limit->first_s), spoken_duration(p.limit->held_s),
                                        place(*p.limit)));
        if (p.launch_failures > 0) parts.push_back(counted(p.launch_failures, "launch failure"));
        if (p.lost > 0) parts.push_back(counted(p.lost, "node") + " lost");
        if (parts.empty() && !m_all) return;
        say("Nodes",
            fmt::format("{}: {} launched{}{}", p.pool, p.launched, parts.empty() ? "" : " · ",
                        fmt::join(parts, " · ")),
            !parts.empty());
    }

    void pending() {
        constexpr std::size_t most = 3;
        const std::size_t shown = m_all ? m_log.pending.size() : std::min(most, m_log.pending.size());
        for (std::size_t i = 0; i < shown; ++i) {
            const PendingReason& p = m_log.pending[i];
            say("Pending",
                fmt::format("{} of {}, {} in all, longest {}: {}", counted(p.pods, "pod"), p.target,
                            spoken_duration(p.pod_s), spoken_duration(p.longest_s), p.message),
                true);
        }
        if (shown < m_log.pending.size())
            say("", fmt::format("{} more   (-v shows all)", counted(m_log.pending.size() - shown, "reason")), false);
    }

    /// Only where they would have been enough.
    void fragmentation(const FragmentationLog& f) {
        if (f.free < f.needs) return;
        std::string why;
        for (const FragmentationLog::Unusable& u : f.unusable)
            why += fmt::format("{}{} on {}: {}", why.empty() ? "" : ", ", u.gpus, counted(static_cast<std::uint64_t>(u.nodes), "node"), u.reason);
        say("Fragmented", fmt::format("{} waits for {} on one node while {} {} free at {} ({})", f.target,
                                      counted(static_cast<std::uint64_t>(f.needs), "GPU"), f.free, f.free == 1 ? "is" : "are", clock_text(f.at_s), why),
            true);
    }

    /// The longest path through the starts, in order; small parts with -v only.
    void start(const StartLog& s) {
        if (s.starts == 0) return;
        std::string path;
        for (const StartStep& step : s.path)
            if (m_all || step.s >= 0.02 * s.mean_s)
                path += fmt::format("{}{} {}", path.empty() ? "" : " → ", step.stage, spoken_duration(step.s));
        say("Starts", fmt::format("{} of {}, mean {}, longest {}: {}", counted(s.starts, "pod"), s.target, spoken_duration(s.mean_s),
                                  spoken_duration(s.longest_s), path),
            false);
        if (!s.layers.empty()) layers(s);
    }
    void layers(const StartLog& s) {
        double pulled = 0, found = 0;
        std::vector<const StartLog::Layer*> slowest;
        for (const StartLog::Layer& l : s.layers) {
            pulled += static_cast<double>(l.downloads) * l.gb;
            found += static_cast<double>(l.found) * l.gb;
            if (l.downloads > 0) slowest.push_back(&l);
        }
        std::stable_sort(slowest.begin(), slowest.end(), [](const auto* a, const auto* b) { return a->download_s + a->unpack_s > b->download_s + b->unpack_s; });
        std::string text;
        for (std::size_t i = 0; i < slowest.size() && (m_all || i < 3); ++i)
            text += fmt::format("{}{} ({:.2g} GB) {} down, {} to unpack", i == 0 ? ": " : "; ", short_digest(slowest[i]->name), slowest[i]->gb,
                                spoken_duration(slowest[i]->download_s), spoken_duration(slowest[i]->unpack_s));
        say("Layers", fmt::format("of the image of {}: {:.1f} GB pulled{}{}", s.target, pulled,
                                  found > 0 ? fmt::format(", {:.1f} GB found on nodes", found) : "", text), false);
    }
    static std::string short_digest(const std::string& name) { return name.starts_with("sha256:") ? name.substr(0, 19) : name; }

    void workload(const WorkloadLog& w) {
        std::vector<std::string> parts;
        const auto add = [&](std::uint64_t n, const char* what) {
            if (n > 0) parts.push_back(counted(n, what));
        };
        add(w.restarts, "restart");
        add(w.liveness_kills, "liveness kill");
        add(w.startup_kills, "startup probe kill");
        if (w.crash_loop_pod_s > 0)
            parts.push_back(spoken_duration(w.crash_loop_pod_s) + " in CrashLoopBackOff");
        add(w.evictions, "eviction");
        add(w.evictions_refused, "refused eviction");
        add(w.preempted, "preemption");
        add(w.creates_refused, "refused pod creation");
        if (!parts.empty()) say("Pods", fmt::format("{}: {}", w.target, fmt::join(parts, " · ")), true);
        for (const RolloutLog& r : w.rollouts)
            say("Rollout",
                fmt::format("{} revision {} from {}: {}", w.target, r.revision, clock_text(r.started_s),
                            r.completed_s         ? "took " + spoken_duration(*r.completed_s - r.started_s)
                            : r.deadline_exceeded ? std::string("ProgressDeadlineExceeded, not complete")
                                                  : std::string("not complete")),
                !r.completed_s);
        if (w.revisions.size() < 2) return;
        for (const RevisionLog& r : w.revisions) {
            std::string labels;
            for (const auto& [name, value] : r.labels) labels += fmt::format(" {}={}", name, value);
            const auto p99 = [](const Distribution& d) {
                return d.totals.count > 0
                           ? std::optional(to_seconds(d.quantile(0.99)) * 1000)
                           : std::nullopt;
            };
            say("Revision",
                fmt::format("{} {}{}: {} completed, {} failed · p99 ttft {}, tpot {}, e2el {}", w.target, r.number,
                            labels, thousands(static_cast<std::int64_t>(r.completed)),
                            thousands(static_cast<std::int64_t>(r.failed)), short_milliseconds(p99(r.ttft)),
                            short_milliseconds(p99(r.tpot)), short_milliseconds(p99(r.e2el))),
                false);
        }
    }

    const ClusterLog& m_log;
    const bool m_all;
    std::vector<ClusterLine> m_out;
};

}  // namespace

std::string clock_text(double seconds) {
    const auto s = static_cast<std::int64_t>(std::floor(seconds));
    const std::string clock = fmt::format("{:02}:{:02}:{:02}", s / 3600 % 24, s / 60 % 60, s % 60);
    return s >= 86400 ? fmt::format("{}d {}", s / 86400, clock) : clock;
}

std::vector<ClusterLine> cluster_lines(const ClusterLog& log, bool all) { return Lines(log, all).run(); }

std::string events_table(const ClusterLog& log) {
    std::size_t when = 4, reason = 6, object = 6;
    const auto time_of = [](const EventEntry& e) {
        return e.count > 1 ? fmt::format("{} (x{} to {})", clock_text(e.first_s), e.count, clock_text(e.last_s))
                           : clock_text(e.first_s);
    };
    for (const EventEntry& e : log.events) {
        when = std::max(when, time_of(e).size());
        reason = std::max(reason, e.reason.size());
        object = std::max(object, e.object.size());
    }
    std::string out;
    const auto row = [&](const std::string& a, const char* b, const std::string& c, const std::string& d,
                         const std::string& e) {
        out += fmt::format("{:<{}}  {:<7}  {:<{}}  {:<{}}  {}\n", a, when, b, c, reason, d, object, e);
    };
    row("TIME", "TYPE", "REASON", "OBJECT", "MESSAGE");
    for (const EventEntry& e : log.events)
        row(time_of(e), e.warning ? "Warning" : "Normal", e.reason, e.object, e.message);
    if (log.events_omitted > 0) out += fmt::format("{} further events\n", log.events_omitted);
    return out;
}

}  // namespace windtunnel
