#include "scenarios/search/changed_manifests.hpp"

#include "scenarios/documents/document_writer.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct FileDocuments {
    std::string file;
    std::vector<const Node*> before, after;
};

/// Documents by file, in order; those that an operator's object made are left out.
std::vector<FileDocuments> by_file(const Scenario& before, const Scenario& after) {
    std::vector<FileDocuments> out;
    const std::vector<Document>&a = before.manifests.documents, &b = after.manifests.documents;
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
        if (!a[i].made_from.empty()) continue;
        auto known =
            std::find_if(out.begin(), out.end(), [&](const FileDocuments& f) { return f.file == a[i].file; });
        if (known == out.end()) known = out.insert(out.end(), {a[i].file, {}, {}});
        known->before.push_back(&a[i].root);
        known->after.push_back(&b[i].root);
    }
    return out;
}

bool same(const FileDocuments& f) {
    for (std::size_t i = 0; i < f.before.size(); ++i)
        if (to_json(*f.before[i]) != to_json(*f.after[i])) return false;
    return true;
}

std::string written_anew(const FileDocuments& f) {
    std::string out;
    for (const Node* n : f.after) out += (out.empty() ? "" : "---\n") + to_yaml(*n);
    return out;
}

/// Whether a text reads back as these documents.
bool reads_as(const std::string& text, const std::vector<const Node*>& nodes) {
    const auto documents = parse_documents(text, "written");
    if (!documents || documents->size() != nodes.size()) return false;
    for (std::size_t i = 0; i < nodes.size(); ++i)
        if (to_json((*documents)[i].root) != to_json(*nodes[i])) return false;
    return true;
}

fs::path common_folder(const std::vector<FileDocuments>& files) {
    fs::path out;
    bool first = true;
    for (const FileDocuments& f : files) {
        const fs::path parent = fs::path(f.file).lexically_normal().parent_path();
        if (first) {
            out = parent;
        } else {
            fs::path shared;
            for (auto a = out.begin(), b = parent.begin(); a != out.end() && b != parent.end() && *a == *b;
                 ++a, ++b)
                shared /= *a;
            out = shared;
        }
        first = false;
    }
    return out;
}

std::string quoted(const std::string& text) { return Json(text).dump(); }

}  // namespace

Result<std::vector<ManifestFile>> changed_manifests(const Scenario& before, const Scenario& after) {
    const std::vector<FileDocuments> files = by_file(before, after);
    const fs::path folder = common_folder(files);
    std::vector<ManifestFile> out;
    Problems problems;
    for (const FileDocuments& f : files) {
        ManifestFile made;
        const bool piped = f.file == "<stdin>";
        const fs::path relative = fs::path(f.file).lexically_normal().lexically_relative(folder);
        made.path = piped                                           ? "stdin.yaml"
                    : relative.empty() || *relative.begin() == ".." ? fs::path(f.file).filename().string()
                                                                    : relative.string();
        made.changed = !same(f);
        std::string text;
        if (!piped) {
            std::ifstream in(f.file, std::ios::binary);
            text.assign(std::istreambuf_iterator<char>(in), {});
        }
        // What stands in the file is what was read, or its --set changed it before: then it is written anew.
        std::optional<std::string> edited;
        if (!text.empty() && reads_as(text, f.before)) edited = edited_text(text, f.before, f.after);
        made.text = edited && reads_as(*edited, f.after) ? *edited : written_anew(f);
        if (!reads_as(made.text, f.after))
            problems.push_back({{f.file, 0, 0}, "", "could not be written so that it reads back the same"});
        out.push_back(std::move(made));
    }
    if (!problems.empty()) return problems;
    return out;
}

std::string kustomization(const Scenario& before, const Scenario& after,
                          const std::vector<std::string>& scenario_changes) {
    std::string patches;
    for (const FileDocuments& f : by_file(before, after))
        for (std::size_t i = 0; i < f.before.size(); ++i) {
            const Json operations = Json::diff(to_json(*f.before[i]), to_json(*f.after[i]));
            if (operations.empty()) continue;
            const Node& object = *f.before[i];
            const std::string api = object.text_at({"apiVersion"}),
                              name_space = object.text_at({"metadata", "namespace"});
            const std::size_t slash = api.find('/');
            patches += "  - target:\n";
            if (slash != std::string::npos) patches += "      group: " + api.substr(0, slash) + '\n';
            patches += "      version: " + api.substr(slash == std::string::npos ? 0 : slash + 1) + '\n';
            patches += "      kind: " + object.text_at({"kind"}) +
                       "\n      name: " + quoted(object.text_at({"metadata", "name"})) + '\n';
            if (!name_space.empty()) patches += "      namespace: " + quoted(name_space) + '\n';
            patches += "    patch: |-\n";
            for (const Json& op : operations) {
                patches += fmt::format("      - op: {}\n        path: {}\n", op["op"].get<std::string>(),
                                       quoted(op["path"].get<std::string>()));
                if (op.contains("value")) patches += "        value: " + op["value"].dump() + '\n';
            }
        }
    std::string out =
        "# From windtunnel plan. Your manifests stand under resources; `kubectl kustomize` applies the "
        "patches.\n";
    for (const std::string& change : scenario_changes)
        out += "# In the scenario, not in a manifest: " + change + '\n';
    out += "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n";
    const std::vector<FileDocuments> files = by_file(before, after);
    const fs::path folder = common_folder(files);
    for (const FileDocuments& f : files) {
        const fs::path relative = fs::path(f.file).lexically_normal().lexically_relative(folder);
        out += "  - " +
               quoted(f.file == "<stdin>" ? "stdin.yaml"
                      : relative.empty()  ? f.file
                                          : relative.string()) +
               '\n';
    }
    return out + (patches.empty() ? "patches: []\n" : "patches:\n" + patches);
}

}  // namespace windtunnel
