#include "scenarios/documents/node_tree.hpp"

#include <algorithm>

namespace windtunnel {
namespace {

Node make(Node::Kind kind, const Node& at) {
    Node out;
    out.kind = kind;
    out.line = at.line;
    out.column = at.column;
    return out;
}

/// The key by which the items of a list are told apart (the API's patchMergeKey); "" = the list is replaced.
std::string merge_key(const std::string& list) {
    if (list == "containers" || list == "initContainers" || list == "env" || list == "volumes" || list == "imagePullSecrets") return "name";
    if (list == "ports") return "containerPort";
    if (list == "volumeMounts") return "mountPath";
    return "";
}

void merge_list(Node& base, const Node& patch, const std::string& key) {
    for (const Node& item : patch.children) {
        const Node* name = item.find(key);
        const auto same = [&](const Node& other) {
            const Node* its = other.find(key);
            return name && its && its->text == name->text;
        };
        const auto found = std::find_if(base.children.begin(), base.children.end(), same);
        if (found == base.children.end()) base.children.push_back(item);
        else strategic_merge(*found, item);
    }
}

}  // namespace

Node make_text(std::string text, const Node& at) {
    Node out = make(Node::Kind::string, at);
    out.text = std::move(text);
    return out;
}

Node make_integer(std::int64_t value, const Node& at) {
    Node out = make(Node::Kind::integer, at);
    out.integer = value;
    out.number = static_cast<double>(value);
    out.text = std::to_string(value);
    return out;
}

Node make_map(const Node& at) { return make(Node::Kind::map, at); }
Node make_list(const Node& at) { return make(Node::Kind::list, at); }

Node make_texts(const std::vector<std::string>& texts, const Node& at) {
    Node out = make_list(at);
    for (const std::string& text : texts) out.children.push_back(make_text(text, at));
    return out;
}

Node& put(Node& map, const std::string& key, Node value) {
    value.key = key;
    if (Node* found = map.find(key)) return *found = std::move(value);
    map.children.push_back(std::move(value));
    return map.children.back();
}

Node& map_at(Node& map, const std::string& key) {
    Node* found = map.find(key);
    return found && !found->is_null() ? *found : put(map, key, make_map(map));
}

Node& list_at(Node& map, const std::string& key) {
    Node* found = map.find(key);
    return found && !found->is_null() ? *found : put(map, key, make_list(map));
}

void erase_key(Node& map, const std::string& key) {
    std::erase_if(map.children, [&](const Node& n) { return n.key == key; });
}

void strategic_merge(Node& base, const Node& patch) {
    if (!base.is_map() || !patch.is_map()) return;
    for (const Node& member : patch.children) {
        Node* has = base.find(member.key);
        const std::string key = merge_key(member.key);
        if (has && has->is_map() && member.is_map()) strategic_merge(*has, member);
        else if (has && has->is_list() && member.is_list() && !key.empty()) merge_list(*has, member, key);
        else put(base, member.key, member);
    }
}

void replace_in_texts(Node& node, const std::string& from, const std::string& to) {
    if (node.is_text())
        for (std::size_t at = node.text.find(from); at != std::string::npos; at = node.text.find(from, at + to.size()))
            node.text.replace(at, from.size(), to);
    for (Node& child : node.children) replace_in_texts(child, from, to);
}

std::string scalar_text(const Node& node) { return node.is_list() || node.is_map() ? "" : node.text; }

}  // namespace windtunnel
