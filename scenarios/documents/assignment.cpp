#include "scenarios/documents/assignment.hpp"

#include <charconv>

#include "scenarios/documents/argument_flags.hpp"
#include "scenarios/documents/suggest.hpp"

namespace windtunnel {
namespace {

Problem problem(const std::string& assignment, std::string message) {
    return {{"--set", 0, 0}, assignment, std::move(message)};
}

std::vector<std::string> keys_of(const Node& map) {
    std::vector<std::string> keys;
    for (const Node& child : map.children) keys.push_back(child.key);
    return keys;
}

}  // namespace

std::size_t find_equals(const std::string& text) {
    int brackets = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"') quoted = !quoted;
        if (quoted) continue;
        if (text[i] == '[') ++brackets;
        if (text[i] == ']') --brackets;
        if (text[i] == '=' && brackets == 0) return i;
    }
    return std::string::npos;
}

Result<std::vector<PathStep>> parse_path(std::string_view path) {
    const auto bad = [&] {
        return Problem{{}, "", "found \"" + std::string(path) + "\", allowed: a path such as spec.template.spec.containers[0].image"};
    };
    std::vector<PathStep> steps;
    std::size_t i = 0;
    const auto quoted = [&](std::string& out) {
        const std::size_t end = path.find('"', i + 1);
        if (end == std::string_view::npos) return false;
        out = std::string(path.substr(i + 1, end - i - 1));
        i = end + 1;
        return true;
    };
    while (i < path.size()) {
        PathStep step;
        if (path[i] == '[') {
            ++i;
            if (i < path.size() && path[i] == '"') {
                if (!quoted(step.key) || i >= path.size() || path[i] != ']') return bad();
                ++i;
            } else {
                const std::size_t end = path.find(']', i);
                if (end == std::string_view::npos || end == i) return bad();
                const std::string_view inside = path.substr(i, end - i);
                std::size_t index = 0;
                const auto [stop, error] = std::from_chars(inside.data(), inside.data() + inside.size(), index);
                if (error == std::errc{} && stop == inside.data() + inside.size()) step.index = index;
                else step.item_name = std::string(inside);
                i = end + 1;
            }
        } else {
            if (path[i] == '.') {
                if (i == 0) return bad();
                ++i;
            } else if (i != 0) {
                return bad();
            }
            if (i < path.size() && path[i] == '"') {
                if (!quoted(step.key)) return bad();
            } else {
                const std::size_t end = std::min(path.find_first_of(".[", i), path.size());
                step.key = std::string(path.substr(i, end - i));
                i = end;
            }
            if (step.key.empty()) return bad();
        }
        steps.push_back(std::move(step));
    }
    if (steps.empty()) return bad();
    return steps;
}

Result<Assignment> parse_assignment(const std::string& text) {
    const std::size_t equals = find_equals(text);
    if (equals == std::string::npos || equals == 0)
        return problem(text, "found no PATH=VALUE, allowed: a scenario path (workload.synthetic.rate_rps=5) or a manifest field (Deployment/chat:spec.replicas=3)");
    Assignment out;
    out.text = text;
    out.path = text.substr(0, equals);
    if (const std::size_t slash = out.path.find('/'), colon = out.path.find(':');
        slash != std::string::npos && colon != std::string::npos && slash < colon && out.path.find('[') > colon) {
        out.kind = out.path.substr(0, slash);
        out.name = out.path.substr(slash + 1, colon - slash - 1);
        out.path = out.path.substr(colon + 1);
    } else if (const std::size_t dot = out.path.find_first_of(".["); slash != std::string::npos && dot != std::string::npos && slash < dot && out.path[dot] == '.') {
        // Deployment/chat.spec.replicas: no scenario path has a slash in its first key.
        out.kind = out.path.substr(0, slash);
        out.name = out.path.substr(slash + 1, dot - slash - 1);
        out.path = out.path.substr(dot + 1);
    }
    if (const auto steps = parse_path(out.path); !steps) return problem(text, steps.problems()[0].message);
    const std::string value = text.substr(equals + 1);
    if (value.empty()) return problem(text, "found no value after =, allowed: a value, \"\" for an empty text, or null to leave the key out");
    auto parsed = parse_documents("value: " + value, "--set");
    if (!parsed || parsed->size() != 1 || (*parsed)[0].root.children.size() != 1) {
        // Not YAML: what PromQL and other expressions look like. Take it as text.
        out.value.kind = Node::Kind::string;
        out.value.text = value;
    } else {
        out.value = (*parsed)[0].root.children[0];
    }
    return out;
}

std::optional<Problem> assign(Node& root, const Assignment& assignment, bool make_parents) {
    const auto steps = parse_path(assignment.path);
    if (!steps) return problem(assignment.text, steps.problems()[0].message);
    Node* node = &root;
    std::string so_far;
    for (std::size_t s = 0; s < steps->size(); ++s) {
        const PathStep& step = (*steps)[s];
        const bool last = s + 1 == steps->size();
        const std::string place = so_far.empty() ? "the document" : so_far;
        if (!step.key.empty()) {
            if (node->is_null() && make_parents) node->kind = Node::Kind::map;
            if (!node->is_map())
                return problem(assignment.text, "found " + describe(*node) + " at " + place + ", allowed there: a map");
            Node* child = node->find(step.key);
            if (!child) {
                if (!last && !make_parents) {
                    return problem(assignment.text, "found no key " + step.key + " in " + place +
                                                        did_you_mean(step.key, keys_of(*node)));
                }
                node->children.emplace_back();
                child = &node->children.back();
                child->key = step.key;
                child->line = node->line;
                child->column = node->column;
            }
            node = child;
            so_far += (so_far.empty() ? "" : ".") + step.key;
            continue;
        }
        if (!node->is_list())
            return problem(assignment.text, "found " + describe(*node) + " at " + place + ", allowed there: a list");
        if (last && step.item_name.starts_with("--")) {
            if (auto wrong = set_flag(*node, step.item_name, assignment.value)) return problem(assignment.text, *wrong);
            return std::nullopt;
        }
        Node* item = nullptr;
        if (step.index) {
            so_far += "[" + std::to_string(*step.index) + "]";
            if (*step.index == node->children.size() && last) {
                node->children.emplace_back();
                node->children.back().line = node->line;
                node->children.back().column = node->column;
            }
            if (*step.index < node->children.size()) item = &node->children[*step.index];
        } else {
            so_far += "[" + step.item_name + "]";
            for (Node& candidate : node->children)
                if (candidate.text_at({"name"}) == step.item_name) item = &candidate;
        }
        if (!item) {
            std::vector<std::string> names;
            for (const Node& candidate : node->children) names.push_back(candidate.text_at({"name"}));
            return problem(assignment.text, "found no item " + so_far + ", the list has " +
                                                std::to_string(node->children.size()) + ", allowed: an index below that or an item's name" + did_you_mean(step.item_name, names));
        }
        node = item;
    }
    // The new value stands where the old one stood, so that later messages point into the user's file.
    Node value = assignment.value;
    // A number that the file quotes ("12", as KEDA's metadata wants it) stays quoted.
    const bool quoted_number = node->is_text() && (resolve_plain_scalar(node->text).kind == Node::Kind::integer || resolve_plain_scalar(node->text).kind == Node::Kind::number);
    if (quoted_number && (value.kind == Node::Kind::integer || value.kind == Node::Kind::number)) {
        const std::string text = value.text;
        value = {};
        value.kind = Node::Kind::string;
        value.text = text;
    }
    value.key = node->key;
    value.line = node->line;
    value.column = node->column;
    *node = std::move(value);
    return std::nullopt;
}

Problems assign_to_objects(std::vector<Document>& documents, const std::vector<Assignment>& assignments) {
    Problems problems;
    for (const Assignment& assignment : assignments) {
        if (assignment.kind.empty()) continue;
        std::vector<std::string> titles;
        bool found = false;
        for (Document& document : documents) {
            const std::string kind = document.root.text_at({"kind"});
            const std::string name = document.root.text_at({"metadata", "name"});
            titles.push_back(kind + "/" + name);
            if (kind != assignment.kind || name != assignment.name) continue;
            found = true;
            if (assignment.path.starts_with("--")) {
                if (auto wrong = set_container_flag(document.root, assignment.path, assignment.value)) problems.push_back(problem(assignment.text, *wrong));
            } else if (auto wrong = assign(document.root, assignment, true)) {
                problems.push_back(std::move(*wrong));
            }
        }
        const std::string title = assignment.kind + "/" + assignment.name;
        if (!found)
            problems.push_back(problem(assignment.text, "found no object " + title + " in the manifests" + did_you_mean(title, titles)));
    }
    return problems;
}

}  // namespace windtunnel
