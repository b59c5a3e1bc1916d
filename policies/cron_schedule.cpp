#include "policies/cron_schedule.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <span>

namespace windtunnel {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using Seconds = std::chrono::seconds;

struct Field {
    const char* name;
    int low, high;
    std::span<const std::string_view> names;  ///< names[i] stands for low_of_names + i
    int first_named;
};

constexpr std::array<std::string_view, 12> month_names{"jan", "feb", "mar", "apr", "may", "jun",
                                                       "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> weekday_names{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
const std::array<Field, 5> fields{{{"minute", 0, 59, {}, 0},
                                   {"hour", 0, 23, {}, 0},
                                   {"day of month", 1, 31, {}, 0},
                                   {"month", 1, 12, month_names, 1},
                                   {"day of week", 0, 6, weekday_names, 0}}};

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts(1);
    for (const char c : text) {
        if (c == separator)
            parts.emplace_back();
        else
            parts.back() += c;
    }
    return parts;
}

std::vector<std::string> words(std::string_view text) {
    std::vector<std::string> parts;
    for (bool inside = false; const char c : text) {
        const bool space = std::isspace(static_cast<unsigned char>(c)) != 0;
        if (!space && !inside) parts.emplace_back();
        if (!space) parts.back() += c;
        inside = !space;
    }
    return parts;
}

std::optional<int> number(const std::string& text) {
    // Go's Atoi, which robfig/cron reads numbers with, takes a sign; a negative value is refused after it.
    if (text.size() > 1 && text[0] == '+' && text[1] != '-' && text[1] != '+') return number(text.substr(1));
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty() || value < 0)
        return std::nullopt;
    return value;
}

std::optional<int> number_or_name(const std::string& text, const Field& field) {
    std::string lower = text;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (std::size_t i = 0; i < field.names.size(); ++i)
        if (field.names[i] == lower) return field.first_named + static_cast<int>(i);
    return number(text);
}

/// What one comma-separated part of a field says: bits, and whether it is a plain star.
struct PartBits {
    std::uint64_t bits = 0;
    bool any = false;
};

std::optional<PartBits> parse_part(const std::string& part, const Field& field) {
    const auto step_parts = split(part, '/');
    const auto range = split(step_parts[0], '-');
    if (step_parts.size() > 2 || range.size() > 2) return std::nullopt;
    PartBits result;
    int low = field.low, high = field.high, step = 1;
    if (range[0] == "*" || range[0] == "?") {
        result.any = true;  // a second half ("*-5") is ignored, as upstream does
    } else {
        const auto first = number_or_name(range[0], field);
        const auto last = range.size() == 2 ? number_or_name(range[1], field) : first;
        if (!first || !last) return std::nullopt;
        low = *first;
        high = range.size() == 1 && step_parts.size() == 2 ? field.high : *last;  // "5/10" = "5-max/10"
    }
    if (step_parts.size() == 2) {
        const auto given = number(step_parts[1]);
        if (!given || *given == 0) return std::nullopt;
        step = *given;
        if (step > 1) result.any = false;
    }
    if (low < field.low || high > field.high || low > high) return std::nullopt;
    for (int i = low; i <= high; i += step) result.bits |= std::uint64_t{1} << i;
    return result;
}

std::string allowed_text(const Field& field) {
    std::string text = "*, ?, or a list of numbers and ranges from " + std::to_string(field.low) + " to " +
                       std::to_string(field.high) + " with an optional /step";
    if (!field.names.empty())
        text +=
            " (or names " + std::string(field.names.front()) + " to " + std::string(field.names.back()) + ")";
    return text;
}

bool has(std::uint64_t bits, unsigned i) { return (bits >> i & 1) != 0; }

/// Local time of a zone, in the manner of Go's time package, whose rules robfig/cron inherits.
struct LocalClock {
    const date::time_zone* zone;

    [[nodiscard]] Seconds offset(UtcSeconds t) const {
        return zone == nullptr ? Seconds{0} : zone->get_info(t).offset;
    }
    [[nodiscard]] date::local_seconds local(UtcSeconds t) const {
        return date::local_seconds{t.time_since_epoch() + offset(t)};
    }
    /// Go's time.Date: where a local time is missing or doubled, the offset that holds at the local time
    /// read as UTC is tried first, and the one found with it next.
    [[nodiscard]] UtcSeconds utc(date::local_seconds t) const {
        const UtcSeconds as_utc{t.time_since_epoch()};
        if (zone == nullptr) return as_utc;
        const date::sys_info guess = zone->get_info(as_utc);
        const UtcSeconds shifted = as_utc - guess.offset;
        if (guess.begin <= shifted && shifted < guess.end) return shifted;
        return as_utc - zone->get_info(shifted).offset;
    }
    [[nodiscard]] UtcSeconds midnight(date::local_days day) const { return utc(date::local_seconds{day}); }
};

date::local_days day_of(date::local_seconds t) { return date::floor<date::days>(t); }
int hour_of(date::local_seconds t) { return static_cast<int>(date::floor<hours>(t - day_of(t)).count()); }
int minute_of(date::local_seconds t) {
    return static_cast<int>((date::floor<minutes>(t - day_of(t)) % hours{1}).count());
}

}  // namespace

Result<CronSchedule> CronSchedule::parse(std::string_view text, CronDescriptors descriptors,
                                         const SourcePosition& where, const std::string& path) {
    std::string expanded(text);
    if (descriptors == CronDescriptors::allowed && !text.empty() && text.front() == '@') {
        static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> known{
            {{"@yearly", "0 0 1 1 *"},
             {"@annually", "0 0 1 1 *"},
             {"@monthly", "0 0 1 * *"},
             {"@weekly", "0 0 * * 0"},
             {"@daily", "0 0 * * *"},
             {"@midnight", "0 0 * * *"},
             {"@hourly", "0 * * * *"}}};
        const auto found =
            std::find_if(known.begin(), known.end(), [&](const auto& entry) { return entry.first == text; });
        if (found == known.end())
            return Problem{where, path,
                           "found '" + expanded +
                               "', allowed: @yearly, @annually, @monthly, @weekly, @daily, @midnight, "
                               "@hourly or five fields"};
        expanded = found->second;
    }
    const auto parts = words(expanded);
    if (parts.size() != fields.size())
        return Problem{where, path,
                       "found '" + std::string(text) + "' with " + std::to_string(parts.size()) +
                           " fields, allowed: five fields (minute, hour, day of month, month, day of week)"};

    CronSchedule schedule;
    const std::array<std::uint64_t*, 5> targets{&schedule.m_minutes, &schedule.m_hours, &schedule.m_days,
                                                &schedule.m_months, &schedule.m_weekdays};
    Problems problems;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        bool any = false, good = true;
        std::size_t used = 0;
        for (const std::string& part : split(parts[i], ',')) {
            if (part.empty()) continue;  // upstream drops empty list entries
            ++used;
            const auto bits = parse_part(part, fields[i]);
            if (!bits) {
                good = false;
                continue;
            }
            *targets[i] |= bits->bits;
            any = any || bits->any;
        }
        if (!good || used == 0)
            problems.push_back(
                {where, path,
                 "found '" + parts[i] + "' as " + fields[i].name + ", allowed: " + allowed_text(fields[i])});
        if (i == 2) schedule.m_any_day = any;
        if (i == 4) schedule.m_any_weekday = any;
    }
    if (!problems.empty()) return problems;
    return schedule;
}

std::optional<UtcSeconds> CronSchedule::next_after(UtcSeconds after, const date::time_zone* zone) const {
    const LocalClock clock{zone};
    const auto date_of = [&](UtcSeconds t) { return date::year_month_day{day_of(clock.local(t))}; };
    UtcSeconds t = after + Seconds{1};
    const int last_year = static_cast<int>(date_of(t).year()) + 5;
    // From the coarsest field down: the first mismatch moves to that field's next unit with everything
    // finer reset, and a carry into a coarser field starts over.
    bool reset = false;
    for (;;) {
        const date::year_month_day today = date_of(t);
        if (static_cast<int>(today.year()) > last_year) return std::nullopt;
        if (!has(m_months, static_cast<unsigned>(today.month()))) {
            reset = true;
            const date::year_month next = date::year_month{today.year(), today.month()} + date::months{1};
            t = clock.midnight(date::local_days{next / 1});
            continue;
        }
        const date::local_days day = day_of(clock.local(t));
        const bool day_matches = has(m_days, static_cast<unsigned>(today.day()));
        const bool weekday_matches = has(m_weekdays, date::weekday{day}.c_encoding());
        const bool matches =
            m_any_day || m_any_weekday ? day_matches && weekday_matches : day_matches || weekday_matches;
        if (!matches) {
            reset = true;
            t = clock.midnight(day + date::days{1});
            // Where midnight does not exist the answer may be 23:00 of the day before; 01:00 is as good as
            // midnight.
            const int hour = hour_of(clock.local(t));
            if (hour > 12) t += hours{24 - hour};
            continue;
        }
        date::local_seconds local = clock.local(t);
        if (!has(m_hours, static_cast<unsigned>(hour_of(local)))) {
            if (!reset) t = clock.utc(day + hours{hour_of(local)});
            reset = true;
            t += hours{1};
            continue;
        }
        if (!has(m_minutes, static_cast<unsigned>(minute_of(local)))) {
            if (!reset) t = UtcSeconds{date::floor<minutes>(t)};
            reset = true;
            t += minutes{1};
            continue;
        }
        const Seconds past = local - date::floor<minutes>(local);
        if (past.count() != 0) {
            t += minutes{1} - past;
            reset = true;
            continue;
        }
        return t;
    }
}

Result<const date::time_zone*> find_time_zone(std::string_view name, const SourcePosition& where,
                                              const std::string& path) {
    try {
        return date::locate_zone(name);
    } catch (const std::exception&) {
        return Problem{where, path,
                       "found '" + std::string(name) + "', allowed: an IANA time zone such as Europe/Berlin"};
    }
}

}  // namespace windtunnel
