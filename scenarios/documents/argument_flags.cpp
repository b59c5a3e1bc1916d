#include "scenarios/documents/argument_flags.hpp"

#include "scenarios/documents/suggest.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

namespace windtunnel {

namespace {

bool is_script(const std::string& text) { return text.find_first_of(" \t\n") != std::string::npos; }

/// Where the flag stands as a word of a script; npos when it does not.
std::size_t word_in(const std::string& script, const std::string& flag) {
    for (std::size_t at = script.find(flag); at != std::string::npos; at = script.find(flag, at + 1)) {
        const std::size_t end = at + flag.size();
        const bool begins =
            at == 0 || std::string_view(" \t\n'\"").find(script[at - 1]) != std::string_view::npos;
        const bool ends =
            end == script.size() || std::string_view(" \t\n=\\").find(script[end]) != std::string_view::npos;
        if (begins && ends) return at;
    }
    return std::string::npos;
}

bool has_flag(const Node& item, const std::string& flag) {
    if (!item.is_text()) return false;
    return item.text == flag || item.text.starts_with(flag + "=") ||
           (is_script(item.text) && word_in(item.text, flag) != std::string::npos);
}

bool is_switch(const Node& value) { return value.is_null() || value.kind == Node::Kind::boolean; }
bool is_off(const Node& value) {
    return value.is_null() || (value.kind == Node::Kind::boolean && !value.boolean);
}

/// The flag inside a script, with the value that follows it.
void set_in_script(std::string& script, const std::string& flag, const Node& value) {
    const std::size_t at = word_in(script, flag);
    std::size_t end = at + flag.size();
    const bool joined = end < script.size() && script[end] == '=';
    const std::size_t next = script.find_first_not_of(" \t", end);
    const bool has_value =
        joined || (next != std::string::npos &&
                   std::string_view("-\n\\&|;").find(script[next]) == std::string_view::npos);
    if (has_value) {
        const std::size_t start = joined ? end + 1 : next;
        end = std::min(script.find_first_of(" \t\n;&|\"'", start), script.size());
    }
    std::string written;
    if (!is_off(value))
        written = is_switch(value) ? flag : flag + (joined || !has_value ? "=" : " ") + value.text;
    script.replace(at, end - at, written);
}

Node text_node(const Node& like, std::string text) {
    Node out;
    out.kind = Node::Kind::string;
    out.text = std::move(text);
    out.line = like.line;
    out.column = like.column;
    return out;
}

void containers_below(Node& node, std::vector<Node*>& found) {
    for (Node& child : node.children) {
        if (child.key == "containers" && child.is_list())
            for (Node& container : child.children) found.push_back(&container);
        else
            containers_below(child, found);
    }
}

bool mentions(Node& container, const std::string& flag) {
    for (const char* key : {"args", "command"})
        if (const Node* list = container.find(key); list != nullptr && list->is_list())
            for (const Node& item : list->children)
                if (has_flag(item, flag)) return true;
    return false;
}

bool has_gpu(const Node& container) {
    const Node* resources = container.find("resources");
    for (const char* key : {"limits", "requests"})
        if (const Node* amounts = resources != nullptr ? resources->find(key) : nullptr; amounts != nullptr)
            for (const Node& amount : amounts->children)
                if (amount.key.ends_with("/gpu") || amount.key.find("/mig-") != std::string::npos)
                    return true;
    return false;
}

Node* the_only(const std::vector<Node*>& containers) {
    return containers.size() == 1 ? containers.front() : nullptr;
}

}  // namespace

std::optional<std::string> set_flag(Node& list, const std::string& flag, const Node& value) {
    if (value.is_map() || value.is_list())
        return "found " + describe(value) + " for the flag " + flag +
               ", allowed: a number, a text, true or false";
    bool script = false;
    for (std::size_t i = 0; i < list.children.size(); ++i) {
        Node& item = list.children[i];
        script = script || (item.is_text() && is_script(item.text));
        if (!has_flag(item, flag)) continue;
        const auto at = list.children.begin() + static_cast<std::ptrdiff_t>(i);
        if (is_script(item.text) && !item.text.starts_with(flag + "=")) {
            set_in_script(item.text, flag, value);
            return std::nullopt;
        }
        const bool apart = item.text == flag;
        const bool has_value =
            apart && i + 1 < list.children.size() && !list.children[i + 1].text.starts_with('-');
        if (is_switch(value)) {
            if (is_off(value))
                list.children.erase(at, at + (has_value ? 2 : 1));
            else if (!apart)
                item.text = flag;
        } else if (!apart) {
            item.text = flag + "=" + value.text;
        } else if (has_value) {
            list.children[i + 1] = text_node(list.children[i + 1], value.text);
        } else {
            item.text = flag + "=" + value.text;
        }
        return std::nullopt;
    }
    if (is_off(value)) return std::nullopt;
    if (script)
        return "found no " + flag +
               " in a list that holds a shell script, allowed: a flag that the script has";
    list.children.push_back(text_node(list, is_switch(value) ? flag : flag + "=" + value.text));
    return std::nullopt;
}

std::optional<std::string> set_container_flag(Node& object, const std::string& flag, const Node& value) {
    std::vector<Node*> containers, naming, with_gpu;
    containers_below(object, containers);
    for (Node* c : containers) {
        if (mentions(*c, flag)) naming.push_back(c);
        if (has_gpu(*c)) with_gpu.push_back(c);
    }
    Node* chosen = the_only(naming) != nullptr     ? the_only(naming)
                   : the_only(with_gpu) != nullptr ? the_only(with_gpu)
                                                   : the_only(containers);
    if (chosen == nullptr) {
        std::vector<std::string> names;
        for (const Node* c : containers) names.push_back(c->text_at({"name"}));
        if (names.empty())
            return "found no container in the object, allowed: a workload's object with containers";
        return "found several containers that " + flag + " may be meant for (" + join(names) +
               "), allowed: a path such as spec.template.spec.containers[NAME].args[" + flag + "]";
    }
    for (const char* key : {"command", "args"}) {
        Node* list = chosen->find(key);
        const bool decides =
            list != nullptr && list->is_list() &&
            (mentions(*chosen, flag)
                 ? std::any_of(list->children.begin(), list->children.end(),
                               [&](const Node& i) { return has_flag(i, flag); })
                 : std::any_of(list->children.begin(), list->children.end(),
                               [](const Node& i) { return i.is_text() && is_script(i.text); }));
        if (decides) return set_flag(*list, flag, value);
    }
    Node* args = chosen->find("args");
    if (args == nullptr) {
        args = &chosen->children.emplace_back();
        args->key = "args";
        args->line = chosen->line;
        args->column = chosen->column;
    }
    if (args->is_null()) args->kind = Node::Kind::list;
    if (!args->is_list()) return "found " + describe(*args) + " as the container's args, allowed: a list";
    return set_flag(*args, flag, value);
}

}  // namespace windtunnel
