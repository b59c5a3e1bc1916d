#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace windtunnel {

/// The value of a variable by its name; empty: it is not set.
using ShellVariable = std::function<std::optional<std::string>(const std::string&)>;

/// What `$((TEXT))` of a shell comes to: whole numbers, names of variables (one that is not set counts as 0), brackets, + - * / %
/// and unary signs, as POSIX has them. Empty: it holds anything else, divides by zero, leaves 63 bits, or a variable is no number.
[[nodiscard]] std::optional<std::int64_t> shell_arithmetic(const std::string& text, const ShellVariable& variable);

}  // namespace windtunnel
