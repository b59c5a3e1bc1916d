#pragma once
#include "scenarios/documents/decoder.hpp"

#include <string>
#include <vector>

namespace windtunnel {

/// A layer of an image. Layers of one name are one layer, in whichever images they are.
struct ImageLayer {
    std::string name;  ///< its digest, or whatever the scenario calls it
    double bytes = 0;  ///< compressed
    double unpacked = 0;
    double download_s = 0, unpack_s = 0;  ///< alone
};

/// An image and its layers: an entry of `cluster.images`.
struct ImageSpec {
    std::string image;  ///< as containers name it; without tag and digest: all of them
    std::string base;   ///< another entry, whose layers are its first ones; "" = none
    std::vector<ImageLayer> layers;  ///< of its own
    SourcePosition where;
    std::string path;
};

/// How nodes pull images by layers: `cluster.image_pulls`. containerd downloads three layers of an image at once
/// (max_concurrent_downloads; docs/cri/config.md, 1.7, 2023) and unpacks them one after the other. One connection to a
/// registry and one gzip: an image of 20.2 GB, whose largest layer has 15 GB, came in 300 to 360 s and was unpacked in 180
/// to 240 s (bentoml.com/blog/cold-starting-llms-on-kubernetes-in-under-30-seconds, 2025-04): 15 / 330 and 20.2 / 210.
struct ImagePullSpec {
    std::int32_t downloads = 3;
    double download_bytes_per_s = 45e6;  ///< of one layer
    double unpack_bytes_per_s = 96e6;    ///< of compressed bytes
    double sigma = 0.35;                 ///< of the logarithm, of whole pulls (models/data/cold_start.json)
};

/// `cluster.images` and `cluster.image_pulls`.
struct ImageList {
    std::vector<ImageSpec> images;
    ImagePullSpec pulls;

    /// The layers of a container's image, those of its bases first, with their times; empty when it is not listed.
    [[nodiscard]] std::vector<ImageLayer> layers_of(const std::string& image) const;
    /// The entry about an image, or nullptr.
    [[nodiscard]] const ImageSpec* find(const std::string& image) const;
};
[[nodiscard]] ImageList decode_images(Decoder& cluster, const std::string& scenario_file);

/// How long a pull takes when nobody shares its links: downloads in the order of the layers, `downloads` at once; unpacking
/// one after the other, each when it is there and those before it are unpacked.
[[nodiscard]] double pull_seconds(const std::vector<ImageLayer>& layers, std::int32_t downloads);

}  // namespace windtunnel
