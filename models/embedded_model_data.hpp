#pragma once
#include <string_view>

namespace windtunnel {

/// The bytes of models/data/`file_name` as compiled into the program; empty when there is no such file.
[[nodiscard]] std::string_view embedded_model_data(std::string_view file_name);

}  // namespace windtunnel
