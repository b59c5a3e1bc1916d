#pragma once
#include "models/problem.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace windtunnel {

enum class ColorChoice { by_terminal, on, off };

/// Whether to colour what goes to standard output: NO_COLOR and TERM=dumb say no, CLICOLOR_FORCE says yes,
/// else a terminal decides (https://no-color.org, https://bixense.com/clicolors).
[[nodiscard]] bool wants_color(ColorChoice choice);
/// Columns of the terminal on standard output; 100 where there is none.
[[nodiscard]] std::size_t terminal_width();

/// Writes data to standard output; false, with the reason on standard error, when it could not.
[[nodiscard]] bool print_data(std::string_view text);
/// A line on standard error.
void print_line(std::string_view text);
/// "error: ..." on standard error.
void print_error(std::string_view message);
/// Every problem on a line of its own, and how many there are when more than one.
void print_errors(const Problems& problems);
/// Prints them; the exit code of bad input.
[[nodiscard]] int refuse(const Problems& problems);

}  // namespace windtunnel
