#pragma once
#include "models/problem.hpp"
#include "scenarios/gallery_rows.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace windtunnel {

/// What a row's metrics are in each of its variants.
struct GalleryComparison {
    GalleryRow row;
    std::vector<std::vector<std::string>> values;  ///< [metric][variant], as people read them
    std::vector<std::vector<std::string>> json;    ///< the same as JSON texts
};

/// Looks the row's metrics up in results/v1 documents, one a variant. A path that leads to no number of the
/// results is a problem.
[[nodiscard]] Result<GalleryComparison> compare_variants(const GalleryRow& row,
                                                         const std::vector<nlohmann::ordered_json>& results);

/// The trouble beside its cures.
[[nodiscard]] std::string gallery_table(const GalleryComparison& comparison, std::size_t width);
/// windtunnel.gallery/v1, ends with a newline.
[[nodiscard]] std::string gallery_json(const GalleryComparison& comparison);

/// Names and what they are about.
[[nodiscard]] std::string gallery_list(const std::vector<GalleryRow>& rows, std::size_t width);
[[nodiscard]] std::string gallery_list_json(const std::vector<GalleryRow>& rows);

}  // namespace windtunnel
