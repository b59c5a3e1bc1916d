#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/documents/document.hpp"

namespace windtunnel {

// Making documents out of documents: what an operator's controller would write, with the positions of what it
// was written from, so that a finding about a derived object points at the user's own line.

[[nodiscard]] Node make_text(std::string text, const Node& at);
[[nodiscard]] Node make_integer(std::int64_t value, const Node& at);
[[nodiscard]] Node make_map(const Node& at);
[[nodiscard]] Node make_list(const Node& at);
[[nodiscard]] Node make_texts(const std::vector<std::string>& texts, const Node& at);

/// Sets a member of a map, in the place of the one it has.
Node& put(Node& map, const std::string& key, Node value);
/// The member of a map; where it is missing or null, an empty map.
Node& map_at(Node& map, const std::string& key);
/// The member of a map; where it is missing or null, an empty list.
Node& list_at(Node& map, const std::string& key);
void erase_key(Node& map, const std::string& key);

/// Kubernetes' strategic merge patch of a pod spec: maps are merged, containers, volumes and variables by their
/// name, ports and mounts by their port and path, other lists replaced.
void strategic_merge(Node& base, const Node& patch);

/// Replaces `from` in every text below a node.
void replace_in_texts(Node& node, const std::string& from, const std::string& to);

/// A scalar as the text that a flag or a variable would hold.
[[nodiscard]] std::string scalar_text(const Node& node);

}  // namespace windtunnel
