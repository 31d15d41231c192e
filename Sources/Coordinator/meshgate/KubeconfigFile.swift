// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshConfig
import MeshSystem
import ToolDrivers

/// The admin's kubeconfig as the drivers need it.
enum KubeconfigFile {
    static func contexts(_ path: String, files: some FileStore) throws -> [String: ClusterAccess] {
        guard let bytes = try files.read(resolved(path), limit: 16 << 20) else { return [:] }
        let directory = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let parsed = try Kubeconfig(parsing: String(decoding: bytes, as: UTF8.self), file: path)
        var result: [String: ClusterAccess] = [:]
        for context in parsed.contexts {
            result[context.name] = ClusterAccess(
                context: context.name, server: context.server, authority: try load(context.authority, directory, files),
                clientCertificate: try load(context.clientCertificate, directory, files),
                clientKey: try load(context.clientKey, directory, files), token: context.token)
        }
        return result
    }

    private static func load(_ source: Kubeconfig.Source?, _ directory: String, _ files: some FileStore) throws -> [UInt8]? {
        switch source {
        case nil: nil
        case .data(let base64): Data(base64Encoded: base64).map { Array($0) }
        case .file(let path): try files.read(resolved(path.hasPrefix("/") ? path : directory + "/" + path), limit: 1 << 20)
        }
    }
}
