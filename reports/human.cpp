#include "reports/human.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <cmath>

namespace windtunnel {

namespace {

constexpr const char* nothing = "–";

/// `value` with as many decimals as three significant digits leave it.
std::string three_digits(double value) {
    if (value == 0) return "0";
    const double size = std::fabs(value);
    if (size >= 99.95) return thousands(std::llround(value));
    const int decimals = size >= 9.995    ? 1
                         : size >= 0.9995 ? 2
                                          : std::min(6, 2 - static_cast<int>(std::floor(std::log10(size))));
    return fmt::format("{:.{}f}", value, decimals);
}

}  // namespace

std::string thousands(std::int64_t value) {
    std::string digits = std::to_string(value < 0 ? -value : value);
    for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
    return value < 0 ? "-" + digits : digits;
}

std::string short_number(std::optional<double> value) {
    if (!value) return nothing;
    std::string text = three_digits(*value);
    if (text.find('.') != std::string::npos) {  // 2.00 replicas are 2
        text.erase(text.find_last_not_of('0') + 1);
        if (text.back() == '.') text.pop_back();
    }
    return text;
}

std::string short_milliseconds(std::optional<double> value) {
    if (!value) return nothing;
    if (*value < 0) return "-" + short_milliseconds(-*value);
    if (*value < 999.5) return three_digits(*value) + " ms";
    const double seconds = *value / 1000;
    if (seconds < 99.95) return three_digits(seconds) + " s";
    if (seconds < 5400) return fmt::format("{:.1f} min", seconds / 60);
    return fmt::format("{:.1f} h", seconds / 3600);
}

std::string spoken_duration(double seconds) {
    if (seconds < 60) return three_digits(seconds) + " s";
    struct Unit {
        std::int64_t seconds;
        const char* name;
    };
    constexpr std::array<Unit, 4> units{{{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}}};
    const std::int64_t whole = std::llround(seconds);
    if (whole <= 86400 * 3 && whole % 3600 == 0) return fmt::format("{} h", whole / 3600);
    for (std::size_t i = 0; i + 1 < units.size(); ++i) {
        if (whole < units[i].seconds) continue;
        const std::int64_t most = whole / units[i].seconds,
                           rest = whole % units[i].seconds / units[i + 1].seconds;
        if (rest == 0) return fmt::format("{} {}", thousands(most), units[i].name);
        return fmt::format("{} {} {} {}", thousands(most), units[i].name, rest, units[i + 1].name);
    }
    return std::to_string(whole) + " s";
}

std::string short_usd(double usd) {
    if (usd != 0 && std::fabs(usd) < 0.9995) return three_digits(usd);
    const auto cents = std::llround(usd * 100);
    return fmt::format("{}{}.{:02}", cents < 0 ? "-" : "", thousands(std::llabs(cents) / 100),
                       std::llabs(cents) % 100);
}

std::string short_percent(std::optional<double> share) {
    if (!share) return nothing;
    int decimals = 1;
    const double percent = *share * 100;
    while (decimals < 6 && percent < 100 && percent >= 100 - 0.5 * std::pow(10, -decimals)) ++decimals;
    if (percent > 0 && percent < 0.05) return "<0.1%";
    if (percent == 0 || percent == 100) decimals = 0;
    return fmt::format("{:.{}f}%", percent, decimals);
}

std::string sparkline(const std::vector<std::optional<double>>& values, BarScale scale) {
    static constexpr std::array<const char*, 8> bars{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double most = 0;
    std::size_t known = 0;
    for (const auto& v : values)
        if (v) {
            most = std::max(most, *v);
            ++known;
        }
    if (known < 2) return "";
    std::string out;
    for (const auto& v : values) {
        if (!v) {
            out += ' ';
            continue;
        }
        // Seven steps down from the largest: to nothing, or to an eighth of an eighth of it.
        double steps = 7;
        if (most > 0 && *v > 0)
            steps = scale == BarScale::linear ? (1 - *v / most) * 7 : std::log2(most / *v) * 7 / 6;
        out += bars[7 - std::min<std::size_t>(7, static_cast<std::size_t>(std::llround(steps)))];
    }
    return out;
}

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\x1b') {  // a colour: ESC [ ... m
            while (i < text.size() && text[i] != 'm') ++i;
            continue;
        }
        width += (static_cast<unsigned char>(text[i]) & 0xc0u) != 0x80u ? 1 : 0;
    }
    return width;
}

std::string padded_left(std::string_view text, std::size_t width) {
    const std::size_t own = display_width(text);
    return std::string(own < width ? width - own : 0, ' ') + std::string(text);
}

std::string padded_right(std::string_view text, std::size_t width) {
    const std::size_t own = display_width(text);
    return std::string(text) + std::string(own < width ? width - own : 0, ' ');
}

std::string wrapped(std::string_view text, std::size_t width, std::size_t indent) {
    std::string out;
    std::size_t column = indent;
    while (!text.empty()) {
        const std::size_t space = std::min(text.find(' ', text.find_first_not_of(' ')), text.size());
        std::string_view word = text.substr(0, space);
        text.remove_prefix(space);
        if (column > indent && column + display_width(word) > width) {
            out += '\n' + std::string(indent, ' ');
            column = indent;
            word.remove_prefix(std::min(word.find_first_not_of(' '), word.size()));
        }
        out += word;
        column += display_width(word);
    }
    return out;
}

std::string Style::dress(std::string_view code, std::string_view text) const {
    return m_coloured ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

}  // namespace windtunnel
