#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

using Environment = std::map<std::string, std::string>;

/// What a script in a container sees. A variable that is set to an unknown value (out of a Secret) stands in the
/// environment as "$(NAME)".
struct ShellContext {
    Environment environment;
    std::vector<std::string> parameters;                      ///< $1, $2, ...; also "$@"
    std::map<std::string, std::vector<std::string>> arrays;   ///< NAME=(a b c)
    std::map<std::string, std::string> files;                 ///< by path: of ConfigMap volumes and here-documents
    std::int64_t gpus = 0;                                    ///< what nvidia-smi lists
    int depth = 0;                                            ///< scripts within scripts, up to `deepest`
    static constexpr int deepest = 5;
};

/// Takes a script of sh or bash apart into the simple commands that it runs, in order: quotes, backslashes, line
/// continuations and here-documents are resolved, redirections dropped, `$NAME`, `${NAME:-default}` and its
/// relatives, `$((NAME * 2))`, "$@", arrays, `$(nvidia-smi -L | wc -l)`, `$(echo ...)` and `$(cat FILE)` replaced; any other
/// command substitution stays as it is written. `export`, assignments and `set -- ...` change the context; `eval`,
/// `source FILE` and a leading `exec` are followed.
/// Of `if` the branches are left out whose test of strings, numbers or emptiness is known to fail; loops and
/// functions are not interpreted: their words become commands once.
[[nodiscard]] std::vector<std::vector<std::string>> shell_commands(std::string_view script, ShellContext& context);

}  // namespace windtunnel
