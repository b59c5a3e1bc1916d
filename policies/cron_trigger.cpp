#include "policies/cron_schedule.hpp"

#include <charconv>

namespace windtunnel {
namespace {

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
    return text;
}

std::string cron_label(std::string text) {
    text = replaced(std::move(text), " ", "");
    text = replaced(std::move(text), "*", "x");
    text = replaced(std::move(text), "/", "Sl");
    text = replaced(std::move(text), "?", "Qm");
    return replaced(std::move(text), ",", "Cm");
}

/// The two next events after `now`. A schedule that never matches has Go's zero time, which lies before
/// every other.
struct NextEvents {
    std::optional<UtcSeconds> start, end;

    [[nodiscard]] bool active() const { return !(start < end); }  // an empty optional is the smallest
    [[nodiscard]] std::optional<UtcSeconds> first() const {
        if (!start) return end;
        if (!end) return start;
        return std::min(*start, *end);
    }
};

NextEvents next_events(const CronTrigger& trigger, UtcSeconds now) {
    return {trigger.start.next_after(now, trigger.zone), trigger.end.next_after(now, trigger.zone)};
}

}  // namespace

Result<CronTrigger> parse_cron_trigger(const CronTriggerText& text, const SourcePosition& where,
                                       const std::string& path) {
    Problems problems;
    CronTrigger trigger;
    const auto key = [&](const char* name) { return path.empty() ? std::string(name) : path + "." + name; };
    const auto given = [&](const std::optional<std::string>& value, const char* name, const char* allowed) {
        if (value && !value->empty()) return true;
        problems.push_back({where, key(name), std::string("found nothing, allowed: ") + allowed});
        return false;
    };
    const auto take = [&](auto result, auto& target) {
        if (result)
            target = *result;
        else
            for (Problem& problem : result.take_problems()) problems.push_back(std::move(problem));
    };
    if (given(text.timezone, "timezone", "an IANA time zone such as Europe/Berlin")) {
        trigger.zone_name = *text.timezone;
        take(find_time_zone(trigger.zone_name, where, key("timezone")), trigger.zone);
    }
    if (given(text.start, "start", "a cron expression of five fields")) {
        trigger.start_text = *text.start;
        take(CronSchedule::parse(trigger.start_text, CronDescriptors::refused, where, key("start")),
             trigger.start);
    }
    if (given(text.end, "end", "a cron expression of five fields")) {
        trigger.end_text = *text.end;
        take(CronSchedule::parse(trigger.end_text, CronDescriptors::refused, where, key("end")), trigger.end);
        if (text.start && *text.start == *text.end)
            problems.push_back(
                {where, key("end"),
                 "found '" + *text.end + "' as both start and end, allowed: two different times"});
    }
    if (given(text.desired_replicas, "desiredReplicas", "an integer of at least 1")) {
        const std::string& digits = *text.desired_replicas;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), trigger.desired_replicas);
        if (error != std::errc{} || end != digits.data() + digits.size() || trigger.desired_replicas <= 0)
            problems.push_back(
                {where, key("desiredReplicas"), "found '" + digits + "', allowed: an integer of at least 1"});
    }
    if (!problems.empty()) return problems;
    return trigger;
}

bool is_active(const CronTrigger& trigger, UtcSeconds now) { return next_events(trigger, now).active(); }

std::string cron_metric_name(const CronTrigger& trigger, std::int32_t trigger_index) {
    std::string name = "cron-" + trigger.zone_name + "-" + cron_label(trigger.start_text) + "-" +
                       cron_label(trigger.end_text);
    for (char& c : name)
        if (std::string_view("/.:%()").find(c) != std::string_view::npos) c = '-';
    return "s" + std::to_string(trigger_index) + "-" + name;
}

std::vector<Tick> cron_hits(const CronSchedule& schedule, const date::time_zone* zone, UtcSeconds origin,
                            Tick origin_fraction, Tick span) {
    std::vector<Tick> hits;
    const UtcSeconds before = origin - std::chrono::seconds{1};
    for (auto hit = schedule.next_after(before, zone); hit; hit = schedule.next_after(*hit, zone)) {
        const Tick at = seconds((*hit - origin).count()) - origin_fraction;
        if (at >= span) break;
        if (at >= Tick{0}) hits.push_back(at);
    }
    return hits;
}

std::vector<ActiveInterval> active_intervals(const CronTrigger& trigger, UtcSeconds origin,
                                             Tick origin_fraction, Tick span) {
    std::vector<ActiveInterval> intervals;
    const auto tick_of = [&](UtcSeconds t) { return seconds((t - origin).count()) - origin_fraction; };
    // Between two events nothing changes, so each stretch has the activity of its first second.
    UtcSeconds now = origin;
    Tick from{0};
    while (from < span) {
        const NextEvents events = next_events(trigger, now);
        const auto next = events.first();
        const Tick to = next ? min(tick_of(*next), span) : span;
        if (events.active() && to > from) {
            if (!intervals.empty() && intervals.back().to == from)
                intervals.back().to = to;
            else
                intervals.push_back({from, to});
        }
        if (!next) break;
        now = *next;
        from = to;
    }
    return intervals;
}

}  // namespace windtunnel
