#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

// Numbers as people read them: no more digits than mean something.

/// "1,204,331".
[[nodiscard]] std::string thousands(std::int64_t value);
/// Three significant digits, all of the whole part, no zeros behind: "0.0123", "31.2", "2", "10,480"; "–" for
/// nothing.
[[nodiscard]] std::string short_number(std::optional<double> value);
/// "0.31 ms", "612 ms", "2.31 s", "4.7 min", "5.2 h"; "–" for nothing.
[[nodiscard]] std::string short_milliseconds(std::optional<double> value);
/// A span in its two largest units: "24 h", "1 h 30 min", "2 d 3 h", "45 s".
[[nodiscard]] std::string spoken_duration(double seconds);
/// "118.40", "0.0712", "2,841.60": cents, or three significant digits below one.
[[nodiscard]] std::string short_usd(double usd);
/// "98.1%"; as many decimals as it takes not to round a failure up to 100% ("99.997%").
[[nodiscard]] std::string short_percent(std::optional<double> share);

/// One character per value, of eight heights on a logarithmic scale: the largest is full, a 64th of it or less the
/// lowest; a space for nothing. Empty when there are fewer than two values to compare.
enum class BarScale { logarithmic, linear };
[[nodiscard]] std::string sparkline(const std::vector<std::optional<double>>& values,
                                    BarScale scale = BarScale::logarithmic);

/// Columns that a text takes on a terminal (UTF-8; every character one column).
[[nodiscard]] std::size_t display_width(std::string_view text);
[[nodiscard]] std::string padded_left(std::string_view text, std::size_t width);
[[nodiscard]] std::string padded_right(std::string_view text, std::size_t width);
/// Breaks at spaces so that no line is wider than `width` (longer words stay whole). The text begins at
/// column `indent`, and so do its further lines, by spaces. No newline at the end.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t width, std::size_t indent);

/// Colours for a terminal, or none.
class Style {
public:
    explicit Style(bool coloured) : m_coloured(coloured) {}
    [[nodiscard]] std::string bold(std::string_view t) const { return dress("1", t); }
    [[nodiscard]] std::string dim(std::string_view t) const { return dress("2", t); }
    [[nodiscard]] std::string green(std::string_view t) const { return dress("32", t); }
    [[nodiscard]] std::string red(std::string_view t) const { return dress("31", t); }
    [[nodiscard]] std::string yellow(std::string_view t) const { return dress("33", t); }

private:
    [[nodiscard]] std::string dress(std::string_view code, std::string_view text) const;
    bool m_coloured;
};

}  // namespace windtunnel
