// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import Glibc
import JournalSQLite
import MeshSystem
import OperatorAPI
import TrustAuthority

/// Which exit code and words an error of `serve` becomes; the one place for it.
enum ServeFailure {
    static func explained<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let failure as Failure {
            throw failure
        } catch let error as JournalError {
            throw Failure(.configuration, "\(error)")
        } catch let error as AuthorityError {
            throw Failure(.configuration, "\(error)")
        } catch let error as SystemError {
            throw Failure(exit(for: error), "\(error)")
        } catch let error as GatewayError {
            throw Failure(.unavailable, "\(error)")
        } catch let error as OperatorServerError {
            if case .unusableIdentity = error { throw Failure(.configuration, "\(error)") }
            throw Failure(.unavailable, "\(error)")
        } catch {
            throw Failure(.io, "\(error)")
        }
    }

    private static func exit(for error: SystemError) -> Exit {
        switch error {
        case .failed(_, _, let errno):
            switch errno {
            case EACCES, EPERM, EROFS: .notPermitted
            case ENOTDIR, ELOOP: .configuration
            default: .io
            }
        case .notOurs: .notPermitted
        case .lockHeld: .unavailable
        case .unexpectedContent, .notRegularFile, .fileTooLarge, .notAbsolute: .configuration
        case .commandNotFound, .commandNotStarted, .commandMalformed, .gzip: .io
        }
    }
}
