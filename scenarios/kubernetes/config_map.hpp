#pragma once
#include "scenarios/documents/decoder.hpp"

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

// Configuration files of other programs, kept as texts in a ConfigMap.

/// A YAML map inside a text of a ConfigMap, its lines those of the file; empty: it is none, which is reported.
[[nodiscard]] std::optional<Node> map_in_text(const Node& text, const std::string& file, const std::string& what, Findings& findings);

/// The texts of a ConfigMap that hold all of `marks`.
[[nodiscard]] std::vector<const Node*> texts_with(const Node& config_map, std::initializer_list<const char*> marks);

}  // namespace windtunnel
