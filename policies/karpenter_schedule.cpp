#include "policies/karpenter_schedule.hpp"

namespace windtunnel {

Result<BudgetSchedule> parse_budget_schedule(const std::optional<std::string>& schedule,
                                             std::optional<std::chrono::seconds> duration,
                                             const SourcePosition& where, const std::string& path) {
    BudgetSchedule result;
    if (!schedule && !duration) return result;
    result.always = false;
    result.duration = duration.value_or(std::chrono::seconds{0});
    auto hits = CronSchedule::parse(schedule.value_or(""), CronDescriptors::allowed, where, path);
    if (!hits) return hits.take_problems();
    result.hits = *hits;
    return result;
}

bool is_active(const BudgetSchedule& schedule, UtcSeconds now) {
    if (schedule.always) return true;
    const auto hit = schedule.hits.next_after(now - schedule.duration, nullptr);
    return hit && *hit <= now;
}

std::vector<ActiveInterval> active_intervals(const BudgetSchedule& schedule, UtcSeconds origin,
                                             Tick origin_fraction, Tick span) {
    if (schedule.always) return {{Tick{0}, span}};
    std::vector<ActiveInterval> intervals;
    const auto tick_of = [&](UtcSeconds t) { return seconds((t - origin).count()) - origin_fraction; };
    for (auto hit = schedule.hits.next_after(origin - schedule.duration, nullptr);
         hit && tick_of(*hit) < span; hit = schedule.hits.next_after(*hit, nullptr)) {
        const Tick from = max(tick_of(*hit), Tick{0});
        const Tick to = min(tick_of(*hit + schedule.duration), span);
        if (to <= from) continue;
        if (!intervals.empty() && from <= intervals.back().to)
            intervals.back().to = max(intervals.back().to, to);
        else
            intervals.push_back({from, to});
    }
    return intervals;
}

}  // namespace windtunnel
