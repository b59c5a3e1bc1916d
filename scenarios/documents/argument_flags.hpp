#pragma once
#include "scenarios/documents/document.hpp"

#include <optional>
#include <string>

namespace windtunnel {

/// Sets a flag (`--max-num-seqs`) in a list of arguments. One that is there keeps its place and its way of
/// being written (`--flag=V`, `--flag`, `V`, or inside a shell script); one that is not is added as
/// `--flag=V`. A value of `true` is the flag alone, `false` or null takes it away. Gives what is wrong, a
/// clause, or nothing.
[[nodiscard]] std::optional<std::string> set_flag(Node& list, const std::string& flag, const Node& value);

/// The same in the container of a workload object that has the flag; else in its only container, or its only
/// one with a GPU.
[[nodiscard]] std::optional<std::string> set_container_flag(Node& object, const std::string& flag,
                                                            const Node& value);

}  // namespace windtunnel
