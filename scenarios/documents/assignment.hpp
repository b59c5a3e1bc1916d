#pragma once
#include "models/problem.hpp"
#include "scenarios/documents/document.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

/// A place in a document: `spec.template.spec.containers[vllm].args[0]`.
struct PathStep {
    std::string key;                 ///< of a map; "" for an index
    std::optional<std::size_t> index;  ///< of a list
    std::string item_name;           ///< of a list item, by its `name`; "" = by index
};

/// `a.b[0].c[name]."dotted.key"`; also `a["dotted.key"]`. In a list of arguments `[--flag]` is that flag
/// (scenarios/argument_flags.hpp).
[[nodiscard]] Result<std::vector<PathStep>> parse_path(std::string_view path);

/// Where the '=' stands that ends the path: the first one outside brackets and quotes; npos without one.
[[nodiscard]] std::size_t find_equals(const std::string& text);

/// One `--set PATH=VALUE`, taken apart. The value is YAML: `3`, `"3"`, `[a, b]`, `{ttft_ms: 500}`. An object's field is
/// `Kind/name:spec.path` (or `Kind/name.spec.path`), a flag of its model server `Kind/name:--max-num-seqs`.
struct Assignment {
    std::string text;    ///< as given
    std::string kind;    ///< of the object it is for; "" = the scenario
    std::string name;
    std::string path;
    Node value;
};

[[nodiscard]] Result<Assignment> parse_assignment(const std::string& text);

/// Sets a value below `root`. Absent maps on the way are made where `make_parents`; a list item must
/// exist, or be the one right after the last.
[[nodiscard]] std::optional<Problem> assign(Node& root, const Assignment& assignment, bool make_parents);

/// Applies those assignments that name an object (`Deployment/chat:spec.replicas=3`) to the documents.
[[nodiscard]] Problems assign_to_objects(std::vector<Document>& documents, const std::vector<Assignment>& assignments);

}  // namespace windtunnel
