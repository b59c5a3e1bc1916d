#include "scenarios/traces/trace_time.hpp"

#include <date/date.h>
#include <fmt/format.h>
#include <algorithm>
#include <charconv>
#include <limits>

namespace windtunnel {
namespace {

constexpr int tick_digits = 11;  // a second is 10^11 ticks
constexpr std::int64_t powers_of_ten[] = {
    1,          10,          100,           1'000,          10'000,          100'000,          1'000'000,
    10'000'000, 100'000'000, 1'000'000'000, 10'000'000'000, 100'000'000'000, 1'000'000'000'000};
constexpr std::int64_t most_seconds = 1'000'000'000'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// `whole` units of 10^unit_exponent s and the decimal digits behind the point.
DecimalError assemble(std::uint64_t whole, std::string_view fraction, int unit_exponent, Instant& out) {
    const auto units_per_second = static_cast<std::uint64_t>(powers_of_ten[-unit_exponent]);
    const std::uint64_t whole_seconds = whole / units_per_second;
    if (whole_seconds > static_cast<std::uint64_t>(most_seconds)) return DecimalError::too_large;
    const int digits = tick_digits + unit_exponent;
    std::int64_t ticks = static_cast<std::int64_t>(whole % units_per_second) * powers_of_ten[digits];
    std::int64_t part = 0;
    const int given =
        static_cast<int>(std::min<std::size_t>(fraction.size(), static_cast<std::size_t>(digits)));
    for (int i = 0; i < given; ++i) part = part * 10 + (fraction[static_cast<std::size_t>(i)] - '0');
    ticks += part * powers_of_ten[digits - given];
    if (fraction.size() > static_cast<std::size_t>(digits) &&
        fraction[static_cast<std::size_t>(digits)] >= '5')
        ++ticks;
    out.seconds = static_cast<std::int64_t>(whole_seconds);
    out.ticks = ticks;
    if (out.ticks >= ticks_per_second) {  // rounding carried into the next second
        out.ticks -= ticks_per_second;
        ++out.seconds;
    }
    return DecimalError::none;
}

/// Numbers with an exponent, rare: the point is moved in the text, then they are as any other.
DecimalError parse_scientific(std::string_view mantissa, std::string_view exponent, int unit_exponent,
                              Instant& out) {
    int power = 0;
    if (!exponent.empty() && exponent.front() == '+') exponent.remove_prefix(1);
    const auto [end, status] = std::from_chars(exponent.data(), exponent.data() + exponent.size(), power);
    if (status == std::errc::result_out_of_range)
        return exponent.front() == '-' ? parse_decimal_time("0", 0, out) : DecimalError::too_large;
    if (status != std::errc{} || end != exponent.data() + exponent.size()) return DecimalError::not_a_number;
    const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
    std::string digits(mantissa);
    if (point < digits.size()) digits.erase(point, 1);
    if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit))
        return DecimalError::not_a_number;
    if (digits.find_first_not_of('0') == std::string::npos) return parse_decimal_time("0", 0, out);
    const std::int64_t moved = static_cast<std::int64_t>(point) + power;
    if (moved > 64) return DecimalError::too_large;
    if (moved < -64) return parse_decimal_time("0", 0, out);
    std::string plain;
    if (moved <= 0) {
        plain = "0." + std::string(static_cast<std::size_t>(-moved), '0') + digits;
    } else {
        if (digits.size() < static_cast<std::size_t>(moved))
            digits.resize(static_cast<std::size_t>(moved), '0');
        plain = digits.substr(0, static_cast<std::size_t>(moved)) + "." +
                digits.substr(static_cast<std::size_t>(moved));
    }
    return parse_decimal_time(plain, unit_exponent, out);
}

bool two_digits(std::string_view text, std::size_t at, int& out) {
    if (at + 2 > text.size() || !is_digit(text[at]) || !is_digit(text[at + 1])) return false;
    out = (text[at] - '0') * 10 + (text[at + 1] - '0');
    return true;
}

/// "", "Z", "+05:30", "+0530", "-08": seconds east of Greenwich.
bool parse_offset(std::string_view text, std::int64_t& seconds) {
    seconds = 0;
    if (text.empty() || text == "Z" || text == "z" || text == " UTC" || text == "UTC") return true;
    const char sign = text.front();
    if (sign != '+' && sign != '-') return false;
    text.remove_prefix(1);
    int hours = 0, minutes = 0;
    if (!two_digits(text, 0, hours)) return false;
    text.remove_prefix(2);
    if (!text.empty() && text.front() == ':') text.remove_prefix(1);
    if (!text.empty() && (!two_digits(text, 0, minutes) || text.size() != 2)) return false;
    if (hours > 23 || minutes > 59) return false;
    seconds = (sign == '-' ? -1 : 1) * (std::int64_t{hours} * 3600 + std::int64_t{minutes} * 60);
    return true;
}

}  // namespace

DecimalError parse_decimal_time(std::string_view text, int unit_exponent, Instant& out) {
    const char* p = text.data();
    const char* const end = p + text.size();
    const bool minus = p != end && *p == '-';
    if (p != end && (*p == '-' || *p == '+')) ++p;
    const char* const first = p;
    std::uint64_t whole = 0;
    bool overflow = false;
    while (p != end && is_digit(*p)) {
        overflow = overflow || whole > (std::numeric_limits<std::uint64_t>::max() - 9) / 10;
        whole = whole * 10 + static_cast<std::uint64_t>(*p - '0');
        ++p;
    }
    std::size_t digits = static_cast<std::size_t>(p - first);
    std::string_view fraction;
    if (p != end && *p == '.') {
        const char* from = ++p;
        while (p != end && is_digit(*p)) ++p;
        fraction = {from, static_cast<std::size_t>(p - from)};
        digits += fraction.size();
    }
    if (digits == 0) return DecimalError::not_a_number;
    DecimalError status = DecimalError::none;
    if (p != end) {
        if (*p != 'e' && *p != 'E') return DecimalError::not_a_number;
        const auto size = static_cast<std::size_t>(p - first);
        status = parse_scientific({first, size}, {p + 1, static_cast<std::size_t>(end - p - 1)},
                                  unit_exponent, out);
    } else {
        status = overflow ? DecimalError::too_large : assemble(whole, fraction, unit_exponent, out);
    }
    if (minus && status == DecimalError::too_large) return DecimalError::negative;
    if (status != DecimalError::none) return status;
    return minus && out != Instant{} ? DecimalError::negative : DecimalError::none;
}

bool TimestampParser::parse(std::string_view text, Instant& out) {
    // YYYY-MM-DD?HH:MM:SS, then a fraction and an offset
    if (text.size() < 19 || (text[10] != ' ' && text[10] != 'T' && text[10] != 't')) return false;
    if (text[13] != ':' || text[16] != ':') return false;
    const std::string_view day_text = text.substr(0, 10);
    if (day_text != m_date) {
        int century = 0, year = 0, month = 0, day = 0;
        if (text[4] != '-' || text[7] != '-' || !two_digits(text, 0, century) || !two_digits(text, 2, year) ||
            !two_digits(text, 5, month) || !two_digits(text, 8, day))
            return false;
        const date::year_month_day civil{date::year{century * 100 + year},
                                         date::month{static_cast<unsigned>(month)},
                                         date::day{static_cast<unsigned>(day)}};
        if (!civil.ok()) return false;
        m_seconds = std::int64_t{date::sys_days{civil}.time_since_epoch().count()} * 86'400;
        m_date = day_text;
    }
    int hour = 0, minute = 0, second = 0;
    if (!two_digits(text, 11, hour) || !two_digits(text, 14, minute) || !two_digits(text, 17, second))
        return false;
    if (hour > 23 || minute > 59 || second > 59) return false;
    std::size_t at = 19;
    std::string_view fraction;
    if (at < text.size() && (text[at] == '.' || text[at] == ',')) {
        const std::size_t from = ++at;
        while (at < text.size() && is_digit(text[at])) ++at;
        if (at == from) return false;
        fraction = text.substr(from, at - from);
    }
    std::int64_t offset = 0;
    if (at < text.size() && !parse_offset(text.substr(at), offset)) return false;
    Instant within;
    if (assemble(0, fraction, 0, within) != DecimalError::none) return false;
    const std::int64_t of_day = std::int64_t{hour} * 3600 + std::int64_t{minute} * 60 + second;
    out = {m_seconds + of_day + within.seconds - offset, within.ticks};
    return true;
}

char* write_seconds(char* into, Tick time) {
    std::int64_t count = time.count;
    if (count < 0) {
        *into++ = '-';
        count = -count;
    }
    into = std::to_chars(into, into + 20, count / ticks_per_second).ptr;
    std::int64_t rest = count % ticks_per_second;
    if (rest == 0) return into;
    *into++ = '.';
    for (std::int64_t unit = ticks_per_second / 10; rest != 0; unit /= 10) {
        *into++ = static_cast<char>('0' + rest / unit);
        rest %= unit;
    }
    return into;
}

std::string format_seconds(Tick time) {
    char text[40];
    return {text, write_seconds(text, time)};
}

std::string format_wall_clock(std::int64_t seconds, std::int32_t nanoseconds) {
    std::int64_t days = seconds / 86'400, of_day = seconds % 86'400;
    if (of_day < 0) {
        of_day += 86'400;
        --days;
    }
    const date::year_month_day civil{date::sys_days{date::days{static_cast<int>(days)}}};
    std::string out = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(civil.year()),
                                  static_cast<unsigned>(civil.month()), static_cast<unsigned>(civil.day()),
                                  of_day / 3600, of_day / 60 % 60, of_day % 60);
    if (nanoseconds != 0) {
        std::string fraction = fmt::format(".{:09}", nanoseconds);
        fraction.erase(fraction.find_last_not_of('0') + 1);
        out += fraction;
    }
    return out + "Z";
}

}  // namespace windtunnel
