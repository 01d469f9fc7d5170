package sso

import "github.com/zitadel/oidc/v3/pkg/op"

// What tests outside the package look into.
var (
	SignForum = signForum
	Reserved  = reserved
)

// Storage is what the library asks.
func (h *Handler) Storage() op.Storage { return storage{h.oidc} }

// SealKeys are those of the handler's sealer.
func (h *Handler) SealKeys() ([][]byte, error) { return sealKeys(h.keys) }
