#include "scenarios/documents/document_writer.hpp"

#include <yaml-cpp/yaml.h>
#include <algorithm>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

/// Whether the text stands for itself without quotes, in a list or map in brackets too.
bool is_plain(const std::string& text) {
    if (text.empty() || !resolve_plain_scalar(text).is_text()) return false;
    if (text.find_first_of("\n\t\"'{}[],&*#?|<>!%@`\\") != std::string::npos ||
        text.find(": ") != std::string::npos)
        return false;
    return text.front() != ' ' && text.back() != ' ' && text.back() != ':' && text.front() != '-' &&
           text.front() != '=' && text.front() != ':';
}

void emit(YAML::Emitter& out, const Node& node) {
    switch (node.kind) {
        case Node::Kind::null:
            out << YAML::Null;
            return;
        case Node::Kind::boolean:
            out << node.boolean;
            return;
        case Node::Kind::integer:
            out << node.integer;
            return;
        case Node::Kind::number:
            out << node.text;
            return;
        case Node::Kind::string:
            if (is_plain(node.text))
                out << node.text;
            else if (node.text.find('\n') != std::string::npos &&
                     node.text.find_first_of("\t\r") == std::string::npos && node.text.front() != ' ' &&
                     node.text.front() != '\n' && node.text.back() == '\n' && !node.text.ends_with("\n\n"))
                out << YAML::Literal << node.text;
            else
                out << YAML::DoubleQuoted << node.text;
            return;
        case Node::Kind::list:
            if (node.children.empty()) out << YAML::Flow;
            out << YAML::BeginSeq;
            for (const Node& child : node.children) emit(out, child);
            out << YAML::EndSeq;
            return;
        case Node::Kind::map:
            if (node.children.empty()) out << YAML::Flow;
            out << YAML::BeginMap;
            for (const Node& child : node.children) {
                out << YAML::Key;
                if (is_plain(child.key))
                    out << child.key;
                else
                    out << YAML::DoubleQuoted << child.key;
                out << YAML::Value;
                emit(out, child);
            }
            out << YAML::EndMap;
            return;
    }
}

bool is_scalar(const Node& n) { return !n.is_list() && !n.is_map() && !n.is_null(); }

struct Change {
    const Node *before, *after;
};

/// False when more than values of one line differs.
bool collect(const Node& before, const Node& after, std::vector<Change>& out) {
    if (is_scalar(before) && is_scalar(after)) {
        if (before.kind != after.kind || before.text != after.text) out.push_back({&before, &after});
        return true;
    }
    if (before.kind != after.kind || before.children.size() != after.children.size()) return false;
    for (std::size_t i = 0; i < before.children.size(); ++i)
        if (before.children[i].key != after.children[i].key ||
            !collect(before.children[i], after.children[i], out))
            return false;
    return true;
}

std::string scalar(const Node& node, char quote) {
    if (!node.is_text()) return node.text;
    if (quote == '\'' && node.text.find('\'') == std::string::npos &&
        node.text.find('\n') == std::string::npos)
        return '\'' + node.text + '\'';
    if (quote == 0 && (is_plain(node.text) ||
                       (node.text.starts_with("--") &&
                        node.text.find_first_of(" \n\t\"'{}[],&*#?|<>!%@`\\:") == std::string::npos)))
        return node.text;
    return nlohmann::json(node.text).dump();
}

}  // namespace

std::string to_yaml(const Node& root) {
    YAML::Emitter out;
    emit(out, root);
    return std::string(out.c_str()) + '\n';
}

std::optional<std::string> edited_text(const std::string& text, const std::vector<const Node*>& before,
                                       const std::vector<const Node*>& after) {
    std::vector<Change> changes;
    if (before.size() != after.size()) return std::nullopt;
    for (std::size_t i = 0; i < before.size(); ++i)
        if (!collect(*before[i], *after[i], changes)) return std::nullopt;
    std::vector<std::size_t> lines{0};
    for (std::size_t i = 0; i < text.size(); ++i)
        if (text[i] == '\n') lines.push_back(i + 1);
    // From the end, so that places before stay where they are.
    std::sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) {
        return a.before->line != b.before->line ? a.before->line > b.before->line
                                                : a.before->column > b.before->column;
    });
    std::string out = text;
    for (const Change& c : changes) {
        if (c.before->line < 1 || static_cast<std::size_t>(c.before->line) > lines.size() ||
            c.before->column < 1)
            return std::nullopt;
        const std::size_t at = lines[static_cast<std::size_t>(c.before->line) - 1] +
                               static_cast<std::size_t>(c.before->column) - 1;
        if (at >= text.size()) return std::nullopt;
        const char quote = text[at] == '"' || text[at] == '\'' ? text[at] : 0;
        const std::string written = quote != 0 ? quote + c.before->text + quote : c.before->text;
        if (text.compare(at, written.size(), written) != 0) return std::nullopt;
        const std::size_t end = at + written.size();
        // Nothing of the value may stand behind what was recognised.
        if (quote == 0 && end < text.size() &&
            std::string_view(" \t\r\n,]}").find(text[end]) == std::string_view::npos)
            return std::nullopt;
        out.replace(at, written.size(), scalar(*c.after, quote));
    }
    return out;
}

}  // namespace windtunnel
