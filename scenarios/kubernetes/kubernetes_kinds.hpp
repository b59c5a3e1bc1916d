#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/documents/decoder.hpp"
#include "scenarios/documents/document.hpp"

namespace windtunnel {

/// What the importer does with an object of a kind that it does not read.
enum class KindRole : std::uint8_t { note, warn, refuse };

struct KindRow {
    const char* kind;
    KindRole role;
    const char* why = "";
};

/// The row of a kind that is known and not read, or nullptr.
[[nodiscard]] const KindRow* find_kind(const std::string& kind);
/// Their names, for suggestions.
[[nodiscard]] std::vector<std::string> other_kind_names();
/// Whether all kinds of an API group configure access, traffic, certificates, text or observation.
[[nodiscard]] bool is_harmless_group(const std::string& group);
/// The first text below a node that a template engine should have replaced, or nullptr.
[[nodiscard]] const Node* find_template(const Node& node);
/// A DNS subdomain, which the names of objects are.
[[nodiscard]] bool is_object_name(const std::string& name);
/// Whether a document is kustomize's own file.
[[nodiscard]] bool is_kustomization(const Document& document);
/// A kustomization that only lists files among `documents` changes nothing; what it would change is an error.
void read_kustomization(Decoder& object, const std::vector<Document>& documents);
/// What a file is that is no Kubernetes object, and what to do with it.
[[nodiscard]] std::string advice_for(const Document& document);

}  // namespace windtunnel
