// SPDX-License-Identifier: Apache-2.0

/// The little that the nodes have to know of a stand-in cluster's state; see `LabStandInClusters` for the whole agreement.
enum LabWorld {
    /// True once the stand-in cluster whose files are in `directory` runs a clustermesh API server.
    static func hasClustermesh(_ directory: String) -> Bool { LabFiles.exists(directory + "/clustermesh-enabled") }
}
