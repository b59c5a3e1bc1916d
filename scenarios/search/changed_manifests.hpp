#pragma once
#include "scenarios/scenario.hpp"

#include <string>
#include <vector>

namespace windtunnel {

/// A file of manifests: its path below the folder that holds all of them, and its text.
struct ManifestFile {
    std::string path;
    std::string text;
    bool changed = false;
};

/// The manifests of `after` as files, for the files of `before`: one that did not change as it is, one in
/// which only values changed with these values in place (comments stay), else written anew. Both scenarios
/// are of the same files. Reading them back gives `after`. Those that cannot be read again are problems.
[[nodiscard]] Result<std::vector<ManifestFile>> changed_manifests(const Scenario& before,
                                                                  const Scenario& after);

/// A kustomization with one JSON patch (RFC 6902) for each object that differs. Fields of the scenario itself
/// stand in comments.
[[nodiscard]] std::string kustomization(const Scenario& before, const Scenario& after,
                                        const std::vector<std::string>& scenario_changes);

}  // namespace windtunnel
