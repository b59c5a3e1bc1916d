#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/commands/shell_script.hpp"

namespace windtunnel {

/// The words of a text between blanks.
[[nodiscard]] std::vector<std::string> split_words(std::string_view text);

/// Replaces `$(NAME)` as the kubelet does in command and args: names that are not set stay as they are,
/// `$$(NAME)` gives `$(NAME)`.
[[nodiscard]] std::string expand_kubernetes(std::string_view text, const Environment& environment);

using CommandTest = std::function<bool(const std::vector<std::string>&)>;

/// The simple commands among a container's command and args that `wanted` accepts, in order. Looks through shells
/// (`sh -c "..."` with any path and flags such as -lc, `bash FILE`), through files that the context holds, and
/// through wrappers before them (tini, env, ...). `context` is left as the commands leave it.
[[nodiscard]] std::vector<std::vector<std::string>> find_commands(const std::vector<std::string>& words, ShellContext& context, const CommandTest& wanted);

/// The first of them, or nothing.
[[nodiscard]] std::vector<std::string> find_command(const std::vector<std::string>& words, const Environment& environment, const CommandTest& wanted);

}  // namespace windtunnel
