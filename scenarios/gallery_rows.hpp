#pragma once
#include "models/problem.hpp"

#include <string>
#include <vector>

namespace windtunnel {

/// One scenario of a gallery row: the trouble, or a cure.
struct GalleryVariant {
    std::string label;  ///< the head of its column
    std::string file;   ///< path of its scenario
    bool refused = false;  ///< the trouble is that it is refused: it has no column, but its errors are shown
};

/// A number that the row is about.
struct GalleryMetric {
    std::string path;   ///< in results/v1, as `requests.failed`
    std::string label;  ///< default: the path's last part
};

/// A folder of the gallery, as its gallery.yaml declares it.
struct GalleryRow {
    std::string name;   ///< the folder's
    std::string about;  ///< one line
    std::string look_at;
    std::vector<GalleryVariant> variants;  ///< at least one; the first is the trouble
    std::vector<GalleryMetric> metrics;    ///< at least one
};

/// Reads `folder`/NAME/gallery.yaml of every NAME, sorted by name. All problems at once.
[[nodiscard]] Result<std::vector<GalleryRow>> read_gallery(const std::string& folder);

}  // namespace windtunnel
