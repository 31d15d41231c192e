// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshConfig
import MeshHTTP
import MeshSystem
import ToolDrivers

/// The admin's kubeconfig as the drivers need it.
enum KubeconfigFile {
    /// What one context leads to, or why it cannot be used.
    typealias Access = Result<ClusterAccess, DriverError>

    static func contexts(_ path: String, files: some FileStore) throws -> [String: Access] {
        guard let bytes = try files.read(resolved(path), limit: 16 << 20) else { return [:] }
        return try contexts(parsing: String(decoding: bytes, as: UTF8.self), file: path, files: files)
    }

    /// - Parameter file: relative paths start beside it.
    static func contexts(parsing text: String, file: String, files: some FileStore) throws -> [String: Access] {
        let directory = file.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let document = try KubeconfigDocument(parsing: text, file: file)
        var result: [String: Access] = [:]
        for context in try Kubeconfig(parsing: text, file: file).contexts {
            let place = Place(context: context.name, directory: directory, files: files)
            do {
                var access = try place.access(context)
                access.pin = document.pin(of: context.name).map { .init(apiCA: $0.apiCA, systemUID: $0.systemUID) }
                result[context.name] = .success(access)
            } catch let error as DriverError {
                result[context.name] = .failure(error)
            } catch {
                result[context.name] = .failure(.unusable(context: context.name, problem: "\(error)"))
            }
        }
        return result
    }
}

/// Where the files beside a kubeconfig are.
private struct Place<Files: FileStore> {
    let context: String
    let directory: String
    let files: Files

    func access(_ context: Kubeconfig.Context) throws -> ClusterAccess {
        if let problem = context.problem { throw DriverError.unusable(context: context.name, problem: problem) }
        let token: ClusterAccess.Credential.Token? =
            if let file = context.tokenFile, !file.isEmpty {
                .file(resolved(beside(file)))
            } else if let text = context.token, !text.isEmpty { .literal(text) } else { nil }
        return ClusterAccess(
            context: context.name, server: context.server, serverName: context.serverName.flatMap { $0.isEmpty ? nil : $0 },
            authority: try load(context.authority, "certificate-authority"),
            credential: ClusterAccess.Credential(
                certificate: try certificate(context), token: token, plugin: try context.plugin.map(plugin)))
    }

    private func certificate(_ context: Kubeconfig.Context) throws -> HTTPTLS.Identity? {
        let certificate = try load(context.clientCertificate, "client-certificate")
        let key = try load(context.clientKey, "client-key")
        guard (certificate == nil) == (key == nil) else { throw fault("it has a client certificate without a key, or the other way round") }
        guard let certificate, let key else { return nil }
        return HTTPTLS.Identity(certificate: certificate, key: key)
    }

    private func plugin(_ plugin: Kubeconfig.Plugin) throws -> ExecPlugin {
        guard let version = ExecPlugin.Version(rawValue: plugin.version) else {
            throw fault(
                "its exec plugin speaks \(plugin.version.isEmpty ? "no version" : plugin.version); known are "
                    + ExecPlugin.Version.allCases.map(\.rawValue).joined(separator: " and "))
        }
        let mode = plugin.interactiveMode ?? ExecPlugin.Interaction.ifAvailable.rawValue
        guard let interaction = ExecPlugin.Interaction(rawValue: mode) else { throw fault("its exec plugin has interactiveMode \(mode)") }
        // As kubectl: a bare name is looked for, a path is beside the file.
        let command = plugin.command.contains("/") ? beside(plugin.command) : plugin.command
        return ExecPlugin(
            version: version, command: command, arguments: plugin.arguments, environment: plugin.environment,
            wantsCluster: plugin.wantsCluster, interaction: interaction, installHint: plugin.installHint)
    }

    private func load(_ source: Kubeconfig.Source?, _ what: String) throws -> [UInt8]? {
        switch source {
        case nil: return nil
        case .data(let base64):
            guard let bytes = Data(base64Encoded: base64), !bytes.isEmpty else { throw fault("its \(what)-data is not base64") }
            return Array(bytes)
        case .file(let path):
            guard let bytes = try files.read(resolved(beside(path)), limit: 1 << 20) else {
                throw fault("its \(what) file \(path) is not there")
            }
            return bytes
        }
    }

    private func beside(_ path: String) -> String { path.hasPrefix("/") ? path : directory + "/" + path }
    private func fault(_ problem: String) -> DriverError { .unusable(context: context, problem: problem) }
}
