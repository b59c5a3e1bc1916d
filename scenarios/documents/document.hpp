#pragma once
#include "models/problem.hpp"

#include <cstdint>
#include <istream>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

/// One value of a YAML or JSON document, with where it stands. A tree of these is what the readers make
/// of the user's files and what the decoders read from.
///
/// Scalars are resolved as Kubernetes resolves them (YAML 1.1 through sigs.k8s.io/yaml): plain `on`,
/// `yes`, `y` are true; `010` is octal 8, `0x10` is 16, `1e3` and `.5` are numbers, `08` is 8; what is
/// quoted is text. Anchors, aliases and merge keys (`<<`) are already resolved.
struct Node {
    enum class Kind : std::uint8_t { null, boolean, integer, number, string, list, map };

    Kind kind = Kind::null;
    bool boolean = false;
    std::int64_t integer = 0;    ///< of Kind::integer
    double number = 0;           ///< of Kind::number and Kind::integer; always finite
    std::string text;            ///< a string's value; a number or boolean as it was written
    std::string key;             ///< its key where it is a member of a map
    std::int32_t line = 0;       ///< from 1
    std::int32_t column = 0;     ///< from 1
    std::vector<Node> children;  ///< a list's items, or a map's members in the order of the file

    [[nodiscard]] bool is_map() const { return kind == Kind::map; }
    [[nodiscard]] bool is_list() const { return kind == Kind::list; }
    [[nodiscard]] bool is_null() const { return kind == Kind::null; }
    [[nodiscard]] bool is_text() const { return kind == Kind::string; }
    /// The member of that name, or nullptr when there is none or this is no map.
    [[nodiscard]] const Node* find(std::string_view name) const;
    [[nodiscard]] Node* find(std::string_view name);
    /// The text at a chain of keys ("metadata", "name"), or "" when it is not there or is no text.
    [[nodiscard]] std::string text_at(std::initializer_list<std::string_view> keys) const;
};

/// One document of one file.
struct Document {
    std::string file;  ///< as the user named it; "<stdin>" for standard input
    Node root;
    std::string made_from = {};  ///< "InferenceService/x" where it was made from an operator's object

    [[nodiscard]] SourcePosition where() const { return {file, root.line, root.column}; }
    [[nodiscard]] SourcePosition where(const Node& node) const { return {file, node.line, node.column}; }
};

/// "a list", "a map", "text \"x\"", "the number 3" ...: how messages name what was found.
[[nodiscard]] std::string describe(const Node& node);

[[nodiscard]] nlohmann::ordered_json to_json(const Node& node);

/// Turns a plain (unquoted) YAML scalar into a value. NaN and infinities stay Kind::number with a
/// non-finite `number`, for the reader to refuse.
[[nodiscard]] Node resolve_plain_scalar(const std::string& text);

/// What a reader accepts from one file. More is refused, so that no input can exhaust memory or stack.
struct DocumentLimits {
    std::size_t bytes = std::size_t{64} << 20;
    std::size_t nodes = 200'000;  ///< after aliases are expanded
    int depth = 200;              ///< after aliases are expanded
};

/// Reads the documents of one YAML or JSON text. Empty documents are left out, `kind: List` (and
/// `DeploymentList`, ...) is replaced by its items.
///
/// Refuses, each with line and column: what is no UTF-8 text, duplicate keys (naming both lines), keys
/// that are not plain scalars, NaN and infinities, unknown tags, aliases that refer to themselves, and
/// more than `limits` allows. Template text that was left in gets the advice to render it first.
[[nodiscard]] Result<std::vector<Document>> parse_documents(std::string_view text, const std::string& file,
                                                            const DocumentLimits& limits = {});

/// Reads files, folders (recursively, sorted by name, *.yaml, *.yml and *.json, hidden ones left out) and
/// `-` (from `standard_input`). All problems of all files are returned together. A path that holds no
/// document at all is an error.
[[nodiscard]] Result<std::vector<Document>> read_documents(const std::vector<std::string>& paths,
                                                           std::istream& standard_input);

}  // namespace windtunnel
