#pragma once
#include "scenarios/documents/document.hpp"

#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// A document as YAML, which reads back as the same document: text that YAML would take for a number, a
/// boolean or nothing is quoted, text of several lines is a block. Ends with a newline. Comments are not
/// kept.
[[nodiscard]] std::string to_yaml(const Node& root);

/// A file's text with single values changed where they stand: everything else, comments included, stays as it
/// is. `before` and `after` are the documents of the file, in order, of the same shape but for values.
/// Nothing when a difference is more than a value on one line that can be found where it stood.
[[nodiscard]] std::optional<std::string> edited_text(const std::string& text,
                                                     const std::vector<const Node*>& before,
                                                     const std::vector<const Node*>& after);

}  // namespace windtunnel
