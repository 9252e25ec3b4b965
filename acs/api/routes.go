package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"recado/acs"
)

const base = "/api/v1"

// base2 is where clients of IXC ACS look for some calls.
const base2 = "/api/v2"

// handler answers a request of a client.
type handler func(c echo.Context, who acs.Client) error

// route is one line of the table. A route without a scope is open to all, without a token.
type route struct {
	method, path string
	scope        acs.Scope
	handle       handler
}

func (a *API) routes() []route {
	const (
		get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
		open                       = acs.Scope("")
	)
	return []route{
		{post, base + "/devices/reboot", acs.ScopeActions, a.reboot},
		{post, base + "/devices/parameters/update", acs.ScopeActions, a.updateParameters},
		{get, base + "/protocols", acs.ScopeActions, a.listProtocols},
		{get, base + "/protocols/:protocolo", acs.ScopeActions, a.getProtocol},
		{post, base + "/protocols/:protocolo/cancel", acs.ScopeActions, a.cancelProtocol},

		{get, base + "/devices", acs.ScopeDevicesRead, a.listDevices},
		{get, base + "/devices/:id", acs.ScopeDevicesRead, a.getDevice},
		{put, base + "/devices/:id", acs.ScopeDevicesWrite, a.putDevice},

		{post, base + "/webhooks", acs.ScopeWebhooks, a.createWebhook},
		{get, base + "/webhooks", acs.ScopeWebhooks, a.listWebhooks},
		{get, base + "/webhooks/:id", acs.ScopeWebhooks, a.getWebhook},
		{patch, base + "/webhooks/:id", acs.ScopeWebhooks, a.changeWebhook},
		{del, base + "/webhooks/:id", acs.ScopeWebhooks, a.deleteWebhook},
		{post, base + "/webhooks/:id/test", acs.ScopeWebhooks, a.testWebhook},
		{post, base + "/webhooks/:id/rotate", acs.ScopeWebhooks, a.rotateWebhook},
		{post, base + "/webhooks/:id/rotate/promote", acs.ScopeWebhooks, a.promoteWebhook},
		{post, base + "/webhooks/:id/secret", acs.ScopeWebhooks, a.webhookSecret},
		{post, base + "/webhooks/:id/verify", acs.ScopeWebhooks, a.verifyWebhook},
		{get, base + "/webhooks/:id/stats", acs.ScopeWebhooks, a.webhookStats},
		{get, base + "/webhooks/:id/deliveries", acs.ScopeWebhooks, a.listWebhookDeliveries},

		{post, base + "/webhooks/try-filter", acs.ScopeWebhooks, a.tryFilter},

		{get, base + "/event-types", acs.ScopeWebhooks, a.listEventTypes},
		{get, base + "/event-types/:type", acs.ScopeWebhooks, a.getEventType},
		{get, base + "/events", acs.ScopeWebhooks, a.listEvents},
		{get, base + "/events/:id", acs.ScopeWebhooks, a.getEvent},
		{get, base + "/events/:id/deliveries", acs.ScopeWebhooks, a.listEventDeliveries},
		{get, base + "/deliveries", acs.ScopeWebhooks, a.listDeliveries},
		{get, base + "/deliveries/:id", acs.ScopeWebhooks, a.getDelivery},
		{get, base + "/deliveries/:id/attempts", acs.ScopeWebhooks, a.listAttempts},
		{post, base + "/deliveries/:id/replay", acs.ScopeWebhooks, a.replayDelivery},
		{post, base + "/deliveries/replay", acs.ScopeWebhooks, a.startReplay},
		{post, base + "/webhooks/:id/replay", acs.ScopeWebhooks, a.startWebhookReplay},
		{get, base + "/replays", acs.ScopeWebhooks, a.listReplays},
		{get, base + "/replays/:id", acs.ScopeWebhooks, a.getReplay},
		{post, base + "/replays/:id/cancel", acs.ScopeWebhooks, a.cancelReplay},

		{post, base + "/clients", acs.ScopeAdmin, a.createClient},
		{get, base + "/clients", acs.ScopeAdmin, a.listClients},
		{get, base + "/clients/:id", acs.ScopeAdmin, a.getClient},
		{patch, base + "/clients/:id", acs.ScopeAdmin, a.changeClient},
		{del, base + "/clients/:id", acs.ScopeAdmin, a.deleteClient},
		{post, base + "/clients/:id/tokens", acs.ScopeAdmin, a.createToken},
		{del, base + "/clients/:id/tokens", acs.ScopeAdmin, a.revokeTokens},

		{get, base + "/devices/views/natural", acs.ScopeDevicesRead, a.naturalView},
		{get, base2 + "/devices/views/natural", acs.ScopeDevicesRead, a.naturalView},
		{post, base2 + "/devices/:serial/parameters/update", acs.ScopeActions, a.updateParametersV2},

		{post, base + "/token/oauth", open, a.fetchToken},
		{post, base2 + "/token/oauth", open, a.fetchToken},
		{get, base + "/token", open, a.exchangeJWT},
		{get, base + "/audit", acs.ScopeAdmin, a.listAudit},
		{get, base + "/audit/ends", acs.ScopeAdmin, a.auditEnds},

		{get, "/healthz", open, a.healthz},
		{get, "/readyz", open, a.readyz},
		{get, "/webhook/health", open, a.webhookHealth},
		{get, "/metrics", open, a.metrics},
		{get, base + "/openapi.yaml", open, a.description},
	}
}
