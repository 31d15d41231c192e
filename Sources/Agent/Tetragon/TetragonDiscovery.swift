// SPDX-License-Identifier: Apache-2.0

package import GRPCStream
package import MeshSystem
internal import Telemetry

/// Finds Tetragon's socket on this host.
package enum TetragonDiscovery {
    /// Where Tetragon says where it listens.
    package static let infoPath = "/var/run/tetragon/tetragon-info.json"
    /// The socket that Tetragon opens whatever else it listens on.
    package static let usualSocket = "/var/run/tetragon/tetragon.sock"

    /// The socket that Tetragon's own note names, or the usual one; `nil` while there is none. A port in the note counts as none: beside a
    /// port Tetragon always opens the usual socket.
    package static func socket(
        infoPath: String = infoPath, usualSocket: String = usualSocket, files: any FileStore = LinuxFileStore()
    ) -> GRPCAddress? {
        var found = GRPCAddress.unix(usualSocket)
        if let note = try? files.read(infoPath, limit: 64 << 10), let address = serverAddress(note), address.isUnix { found = address }
        guard case .unix(let path) = found, GRPCDialer.isThere(path) else { return nil }
        return found
    }

    /// `server_address` of tetragon-info.json.
    static func serverAddress(_ note: [UInt8]) -> GRPCAddress? {
        var text = note
        while text.last == 0x0a || text.last == 0x20 { text.removeLast() }
        guard JSONShape.isObjectLine(text) else { return nil }
        return text.withUnsafeBytes { bytes in
            var cursor = JSONCursor(bytes)
            var found: GRPCAddress?
            let isWhole = cursor.fields { cursor, name in
                guard cursor.holds(name, "server_address") else { return cursor.skip() }
                found = cursor.text().flatMap(GRPCAddress.init)
                return true
            }
            return isWhole ? found : nil
        }
    }
}
