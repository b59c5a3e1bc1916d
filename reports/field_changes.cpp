#include "reports/field_changes.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Lists of named things (containers, env, pools) are compared by name, others by place.
bool is_named_list(const Json& list) {
    return list.is_array() && !list.empty() && std::all_of(list.begin(), list.end(), [](const Json& item) {
        return item.is_object() && item.contains("name") && item["name"].is_string();
    });
}
const Json* item_named(const Json& list, const std::string& name) {
    for (const Json& item : list)
        if (item["name"] == name) return &item;
    return nullptr;
}

std::string joined(const std::string& path, const std::string& key) { return path.empty() ? key : path + '.' + key; }

class Differ {
public:
    Differ(std::string object, std::vector<FieldChange>& out) : m_object(std::move(object)), m_out(out) {}

    void compare(const std::string& path, const Json* base, const Json* candidate) {
        if (base == nullptr && candidate == nullptr) return;
        if (base == nullptr || candidate == nullptr) return note(path, base, candidate);
        if (*base == *candidate) return;
        if (base->is_object() && candidate->is_object()) return compare_maps(path, *base, *candidate);
        if (is_named_list(*base) && is_named_list(*candidate)) return compare_named(path, *base, *candidate);
        if (base->is_array() && candidate->is_array()) return compare_lists(path, *base, *candidate);
        note(path, base, candidate);
    }

private:
    void note(const std::string& path, const Json* base, const Json* candidate) {
        m_out.push_back({m_object, path, base ? text_of(*base) : "", candidate ? text_of(*candidate) : "",
                         base == nullptr ? '+' : candidate == nullptr ? '-' : '~'});
    }
    void compare_maps(const std::string& path, const Json& base, const Json& candidate) {
        for (const auto& [key, value] : base.items()) {
            const auto other = candidate.find(key);
            compare(joined(path, key), &value, other == candidate.end() ? nullptr : &*other);
        }
        for (const auto& [key, value] : candidate.items())
            if (!base.contains(key)) compare(joined(path, key), nullptr, &value);
    }
    void compare_named(const std::string& path, const Json& base, const Json& candidate) {
        for (const Json& item : base) {
            const std::string name = item["name"];
            compare(path + '[' + name + ']', &item, item_named(candidate, name));
        }
        for (const Json& item : candidate) {
            const std::string name = item["name"];
            if (item_named(base, name) == nullptr) compare(path + '[' + name + ']', nullptr, &item);
        }
    }
    void compare_lists(const std::string& path, const Json& base, const Json& candidate) {
        for (std::size_t i = 0; i < std::max(base.size(), candidate.size()); ++i)
            compare(path + '[' + std::to_string(i) + ']', i < base.size() ? &base[i] : nullptr,
                    i < candidate.size() ? &candidate[i] : nullptr);
    }

    const std::string m_object;
    std::vector<FieldChange>& m_out;
};

std::string word(const Json& object, const char* key) {
    const auto at = object.find(key);
    return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

/// "HorizontalPodAutoscaler/chat", "Deployment/prod/chat" outside the default namespace.
std::string title_of(const Json& object) {
    if (!object.is_object()) return "document";
    const auto meta = object.find("metadata");
    const Json none = Json::object();
    const Json& m = meta != object.end() && meta->is_object() ? *meta : none;
    const std::string name_space = word(m, "namespace");
    return word(object, "kind") + '/' + (name_space.empty() || name_space == "default" ? "" : name_space + '/') + word(m, "name");
}

/// The objects of all documents, lists of objects opened, in order; equal titles get a number.
std::vector<std::pair<std::string, const Json*>> objects_of(const Json& manifests) {
    std::vector<std::pair<std::string, const Json*>> out;
    std::map<std::string, int> seen;
    const auto add = [&](const Json& object) {
        std::string title = title_of(object);
        if (const int n = ++seen[title]; n > 1) title += '#' + std::to_string(n);
        out.emplace_back(std::move(title), &object);
    };
    for (const Json& document : manifests) {
        if (document.is_null()) continue;
        if (document.is_object() && word(document, "kind") == "List" && document.contains("items") && document["items"].is_array())
            for (const Json& item : document["items"]) add(item);
        else
            add(document);
    }
    return out;
}

const Json* object_titled(const std::vector<std::pair<std::string, const Json*>>& objects, const std::string& title) {
    for (const auto& [name, object] : objects)
        if (name == title) return object;
    return nullptr;
}

}  // namespace

std::vector<FieldChange> document_changes(const nlohmann::ordered_json& base, const nlohmann::ordered_json& candidate) {
    std::vector<FieldChange> out;
    Differ("scenario", out).compare("", &base["scenario"], &candidate["scenario"]);
    const auto before = objects_of(base["manifests"]), after = objects_of(candidate["manifests"]);
    for (const auto& [title, object] : before) {
        const Json* other = object_titled(after, title);
        if (other == nullptr)
            out.push_back({title, "", "", "", '-'});
        else
            Differ(title, out).compare("", object, other);
    }
    for (const auto& [title, object] : after)
        if (object_titled(before, title) == nullptr) out.push_back({title, "", "", "", '+'});
    return out;
}

std::vector<FieldChange> field_changes(const Scenario& base, const Scenario& candidate) {
    Json before = canonical_json(base), after = canonical_json(candidate);
    return document_changes(before, after);
}

}  // namespace windtunnel
