#pragma once
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

using Environment = std::map<std::string, std::string>;

/// The words of a text between blanks.
[[nodiscard]] std::vector<std::string> split_words(std::string_view text);

/// Replaces `$(NAME)` as the kubelet does in command and args: names that are not set stay as they are,
/// `$$(NAME)` gives `$(NAME)`.
[[nodiscard]] std::string expand_kubernetes(std::string_view text, const Environment& environment);

/// Takes a shell script apart into simple commands: quotes, backslashes and line continuations are
/// resolved, `$NAME`, `${NAME}` and `${NAME:-default}` replaced, commands end at newlines, `;`, `&`, `|`, `&&`, `||`.
/// Assignments before a command and `export NAME=value` add to `environment`; a leading `exec` is dropped.
/// Control structures are not interpreted: their words become words of commands.
[[nodiscard]] std::vector<std::vector<std::string>> shell_commands(std::string_view script, Environment& environment);

/// The first simple command among a container's command and args that `wanted` accepts, or nothing.
/// Looks through `sh -c "..."` (sh, bash, dash, ash, with any path and flags such as -lc).
[[nodiscard]] std::vector<std::string> find_command(const std::vector<std::string>& words, Environment environment,
                                                    const std::function<bool(const std::vector<std::string>&)>& wanted);

}  // namespace windtunnel
