#pragma once
#include "scenarios/kubernetes/kubernetes.hpp"
#include "tests/support/problem_lines.hpp"

#include <catch2/catch.hpp>
#include <iostream>
#include <string>
#include <vector>

/// Manifests without a scenario around them, and what is said of them.
namespace windtunnel::lab {

struct Imported {
    Manifests manifests;
    Findings findings;
};

inline Imported import_documents(std::vector<Document> documents) {
    Imported out;
    out.manifests = import_kubernetes(std::move(documents), out.findings);
    return out;
}

inline Imported import_text(const std::string& text) {
    auto documents = parse_documents(text, "k8s.yaml");
    if (!documents) FAIL(to_string(documents.problems()[0]));
    return import_documents(std::move(*documents));
}

/// The workload of that name, which must be there.
inline const WorkloadObject& workload(const Imported& in, const std::string& name) {
    for (const WorkloadObject& w : in.manifests.workloads)
        if (w.meta.name == name) return w;
    FAIL("no workload " + name + ": " + lines(in.findings.errors));
    return in.manifests.workloads[0];
}

/// `text` with the first `from`, which must be there, replaced.
inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    INFO("not there: " << from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

/// Of tests/scenarios/published.
inline std::vector<Document> published(const std::string& name) {
    auto documents = read_documents({std::string(WINDTUNNEL_SOURCE_DIR) + "/tests/scenarios/published/" + name}, std::cin);
    if (!documents) FAIL(to_string(documents.problems()[0]));
    return std::move(*documents);
}

inline Imported import_file(const std::string& name) { return import_documents(published(name)); }

}  // namespace windtunnel::lab
