"""The gRPC service definition and its generated code."""
