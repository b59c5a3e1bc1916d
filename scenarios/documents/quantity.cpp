#include "scenarios/documents/quantity.hpp"

#include <date/tz.h>

#include <cctype>
#include <cmath>
#include <map>
#include <sstream>

#include "scenarios/documents/suggest.hpp"

namespace windtunnel {
namespace {

__extension__ typedef __int128 Int128;

constexpr std::int64_t nano = 1'000'000'000;

Problem bad(std::string_view found, const std::string& allowed) {
    return {{}, "", "found \"" + std::string(found) + "\", allowed: " + allowed};
}

/// A decimal text as digits * 10^-scale. At most 30 digits, so that 128 bits hold it.
struct Decimal {
    bool negative = false;
    Int128 digits = 0;
    int scale = 0;
    std::size_t length = 0;  ///< characters used; 0 = no decimal here
};

Decimal read_decimal(std::string_view text) {
    Decimal d;
    std::size_t i = 0;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) d.negative = text[i++] == '-';
    int count = 0, significant = 0;
    bool point = false;
    for (; i < text.size(); ++i) {
        if (text[i] == '.' && !point) {
            point = true;
        } else if (text[i] >= '0' && text[i] <= '9') {
            ++count;
            if (d.digits != 0 || text[i] != '0') ++significant;
            if (significant > 30) return {};
            d.digits = d.digits * 10 + (text[i] - '0');
            if (point) ++d.scale;
        } else {
            break;
        }
    }
    d.length = count > 0 && d.scale <= 30 ? i : 0;
    return d;
}

/// value = d * factor * 10^exponent in billionths, rounded away from zero. False: out of range.
bool to_quantity(const Decimal& d, std::int64_t factor, int exponent, Quantity& out) {
    // |digits| < 1e30 < 2^100; the factor is at most 2^60: go through the exponent first.
    int power = exponent - d.scale + 9;
    Int128 value = d.digits;
    bool inexact = false;
    const Int128 limit = (Int128{1} << 126) / 10;
    const Int128 factor_limit = (Int128{1} << 126) / factor;
    if (power >= 0) {
        if (value > factor_limit) return false;
        value *= factor;
        for (; power > 0; --power) {
            if (value > limit) return false;
            value *= 10;
        }
    } else {
        if (value > factor_limit) {
            // Too long to multiply first; divide first where that is exact.
            while (power < 0 && value % 10 == 0) value /= 10, ++power;
            if (value > factor_limit) return false;
        }
        value *= factor;
        for (; power < 0; ++power) {
            inexact = inexact || value % 10 != 0;
            value /= 10;
            if (value == 0) break;
        }
    }
    if (inexact) ++value;
    if (d.negative) value = -value;
    Int128 whole = value / nano;
    Int128 rest = value % nano;
    if (rest < 0) rest += nano, --whole;
    if (whole > INT64_MAX || whole < INT64_MIN) return false;
    out.whole = static_cast<std::int64_t>(whole);
    out.nano = static_cast<std::int64_t>(rest);
    return true;
}

}  // namespace

std::int64_t Quantity::milli_ceil() const {
    const Int128 value = Int128{whole} * 1000 + (nano + 999'999) / 1'000'000;
    if (value > INT64_MAX) return INT64_MAX;
    if (value < INT64_MIN) return INT64_MIN;
    return static_cast<std::int64_t>(value);
}

double Quantity::to_double() const { return static_cast<double>(whole) + static_cast<double>(nano) / 1e9; }

Result<Quantity> parse_quantity(std::string_view text) {
    struct Suffix {
        std::int64_t factor;
        int exponent;
    };
    static const std::map<std::string, Suffix, std::less<>> suffixes = {
        {"", {1, 0}},        {"n", {1, -9}},      {"u", {1, -6}},      {"m", {1, -3}},      {"k", {1, 3}},
        {"M", {1, 6}},       {"G", {1, 9}},       {"T", {1, 12}},      {"P", {1, 15}},      {"E", {1, 18}},
        {"Ki", {1LL << 10, 0}}, {"Mi", {1LL << 20, 0}}, {"Gi", {1LL << 30, 0}}, {"Ti", {1LL << 40, 0}},
        {"Pi", {1LL << 50, 0}}, {"Ei", {1LL << 60, 0}}};
    const std::string allowed = "a quantity: a number with at most one of the suffixes n u m k M G T P E Ki Mi Gi Ti Pi Ei, or an exponent such as 1e3";
    const Decimal d = read_decimal(text);
    if (d.length == 0) return bad(text, allowed);
    const std::string_view suffix = text.substr(d.length);
    Quantity out;
    if (const auto known = suffixes.find(suffix); known != suffixes.end()) {
        if (!to_quantity(d, known->second.factor, known->second.exponent, out)) return bad(text, "a quantity below 2^63");
        return out;
    }
    if (suffix[0] == 'e' || suffix[0] == 'E') {
        const Decimal exponent = read_decimal(suffix.substr(1));
        if (exponent.length > 0 && exponent.length == suffix.size() - 1 && exponent.scale == 0 && suffix.back() != '.' && exponent.digits < 100) {
            const int power = static_cast<int>(exponent.digits) * (exponent.negative ? -1 : 1);
            if (!to_quantity(d, 1, power, out)) return bad(text, "a quantity below 2^63");
            return out;
        }
    }
    for (const auto& [name, unused] : suffixes) {  // 100mi, 4gi, 16GB, 8 Gi: name the suffix that was meant
        std::string wrong;
        for (const char c : suffix)
            if (c != ' ') wrong += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        if (wrong.size() > 1 && wrong.back() == 'b') wrong.pop_back();
        std::string right;
        for (const char c : name) right += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        if (!name.empty() && wrong == right)
            return bad(text, allowed + "; did you mean " + std::string(text.substr(0, d.length)) + name + "?");
    }
    return bad(text, allowed);
}

Result<Tick> parse_go_duration(std::string_view text) {
    const std::string allowed = "a duration such as 30s, 1h30m or 250ms (units ns us ms s m h)";
    if (text == "0") return Tick{0};
    static const std::map<std::string, Int128, std::less<>> units = {
        {"ns", 100},  // ticks of 10 ps
        {"us", ticks_per_microsecond},
        {"µs", ticks_per_microsecond},
        {"ms", ticks_per_millisecond},
        {"s", ticks_per_second},
        {"m", Int128{60} * ticks_per_second},
        {"h", Int128{3600} * ticks_per_second}};
    std::string_view rest = text;
    bool negative = false;
    if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
        negative = rest[0] == '-';
        rest.remove_prefix(1);
    }
    if (rest.empty()) return bad(text, allowed);
    Int128 total = 0;
    while (!rest.empty()) {
        const Decimal d = rest[0] == '-' || rest[0] == '+' ? Decimal{} : read_decimal(rest);
        if (d.length == 0 || d.digits > INT64_MAX) return bad(text, allowed);
        rest.remove_prefix(d.length);
        std::size_t length = 0;
        while (length < rest.size() && rest[length] != '.' && !(rest[length] >= '0' && rest[length] <= '9')) ++length;
        const auto unit = units.find(rest.substr(0, length));
        if (unit == units.end()) return bad(text, allowed);
        rest.remove_prefix(length);
        Int128 divisor = 1;
        for (int i = 0; i < d.scale; ++i) divisor *= 10;
        // digits < 2^63 and a unit < 2^49 ticks: the product fits.
        total += (d.digits * unit->second + divisor / 2) / divisor;
        if (total >= end_of_time.count) return bad(text, "a duration below 1.46 years");
    }
    return Tick{static_cast<std::int64_t>(negative ? -total : total)};
}

Result<IntOrPercent> parse_percent(std::string_view text) {
    const Decimal d = read_decimal(text);
    if (d.length == 0 || d.length + 1 != text.size() || text.back() != '%' || text.find('.') != std::string_view::npos ||
        d.digits > 1'000'000)
        return bad(text, "an integer or a percentage such as 25%");
    const auto value = static_cast<std::int64_t>(d.digits);
    return IntOrPercent{d.negative ? -value : value, true};
}

Result<std::int64_t> parse_nano_usd(std::string_view text) {
    const Decimal d = read_decimal(text);
    Int128 value = d.digits;
    for (int i = d.scale; i < 9 && value < (Int128{1} << 120); ++i) value *= 10;
    if (d.length == 0 || d.length != text.size() || d.scale > 9 || d.negative || value > INT64_MAX)
        return bad(text, "an amount of at least 0 with at most nine decimals, such as 1.006");
    return static_cast<std::int64_t>(value);
}

bool is_time_zone(const std::string& name) {
    try {
        return date::locate_zone(name) != nullptr;
    } catch (const std::exception&) {
        return false;
    }
}

Result<std::int64_t> parse_wall_clock(const std::string& text, const std::string& zone) {
    // date 3.0.1 reads an uninitialised number where the seconds of %T are missing, so it is asked for them only where
    // they stand: 2026-03-02T08:00:00.
    const auto digit = [&](std::size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
    const bool with_seconds = text.size() > 16 && text[16] == ':' && digit(17) && digit(18);
    for (const char* format : {"%FT%T%Ez", "%FT%TZ", "%FT%RZ", "%FT%R%Ez", "%FT%T", "%FT%R", "%F"}) {
        if (std::string(format).find("%T") != std::string::npos && !with_seconds) continue;
        const bool absolute = std::string(format).back() == 'z' || std::string(format).back() == 'Z';
        std::istringstream in(text);
        std::int64_t at = 0;
        if (absolute) {
            date::sys_seconds time;
            in >> date::parse(format, time);
            at = time.time_since_epoch().count();
        } else {
            date::local_seconds time;
            in >> date::parse(format, time);
            if (!in.fail()) {
                try {
                    at = date::locate_zone(zone)->to_sys(time, date::choose::earliest).time_since_epoch().count();
                } catch (const std::exception&) {
                    return bad(zone, "an IANA time zone such as Asia/Kolkata");
                }
            }
        }
        if (!in.fail() && in.peek() == std::char_traits<char>::eof()) return at;
    }
    return bad(text, "a date or time such as 2026-03-02, 2026-03-02T08:00:00Z or 2026-03-02T08:00:00+05:30");
}

}  // namespace windtunnel
