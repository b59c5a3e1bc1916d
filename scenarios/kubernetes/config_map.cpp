#include "scenarios/kubernetes/config_map.hpp"

#include <algorithm>

namespace windtunnel {
namespace {

void move_by(Node& node, std::int32_t lines, std::int32_t columns) {
    node.line += lines;
    node.column += columns;
    for (Node& child : node.children) move_by(child, lines, columns);
}

}  // namespace

std::optional<Node> map_in_text(const Node& text, const std::string& file, const std::string& what, Findings& findings) {
    auto documents = parse_documents(text.text, file);
    if (!documents || documents->size() != 1) {
        findings.errors.push_back({{file, text.line, text.column}, "data." + text.key,
                                   "holds no YAML map" + (documents ? std::string() : ": " + documents.problems()[0].message) + ", allowed: " + what});
        return std::nullopt;
    }
    Node root = std::move((*documents)[0].root);
    move_by(root, text.line, 0);  // a block scalar starts on the line behind its key
    return root;
}

std::vector<const Node*> texts_with(const Node& config_map, std::initializer_list<const char*> marks) {
    std::vector<const Node*> out;
    const Node* data = config_map.find("data");
    if (data == nullptr) return out;
    for (const Node& member : data->children)
        if (member.is_text() && std::all_of(marks.begin(), marks.end(), [&](const char* m) { return member.text.find(m) != std::string::npos; })) out.push_back(&member);
    return out;
}

}  // namespace windtunnel
