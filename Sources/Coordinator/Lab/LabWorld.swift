// SPDX-License-Identifier: Apache-2.0

/// The little that the topology has to know of a stand-in cluster's state.
enum LabWorld {
    /// True once the stand-in cluster in `directory` runs a clustermesh API server.
    static func hasClustermesh(_ directory: String) -> Bool { LabFiles.exists(directory + "/clustermesh-enabled") }
}
