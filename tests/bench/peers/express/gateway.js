// The seed's API gateway: rate limiter → JWT validator → proxy to the user service, with the libraries that it names.
'use strict';

const express = require('express');
const { rateLimit } = require('express-rate-limit');
const { createProxyMiddleware } = require('http-proxy-middleware');
const http = require('http');
const jwt = require('jsonwebtoken');

const { PORT, USER_SERVICE_URL, JWT_SECRET, PROXY_KEEPALIVE } = process.env;
const app = express();

app.use(rateLimit({ windowMs: 60 * 1000, limit: 1e9, standardHeaders: 'draft-7', legacyHeaders: false }));

app.use((req, res, next) => {
  const header = req.headers.authorization;
  if (!header) return next();
  try {
    const claims = jwt.verify(header.replace(/^Bearer /, ''), JWT_SECRET, { algorithms: ['HS256'] });
    req.headers['x-user-id'] = String(claims.user_id);
    return next();
  } catch (e) {
    return res.status(401).json({ code: 'unauthenticated' });
  }
});

app.get('/health', (req, res) => {
  res.json({ status: 'healthy', timestamp: new Date().toISOString(), version: '1.0.0', uptime: process.uptime() });
});

app.use(createProxyMiddleware({
  target: USER_SERVICE_URL,
  pathFilter: '/api/users',
  // By itself the middleware opens a connection a request, as the seed's gateway does.
  ...(PROXY_KEEPALIVE === '1' ? { agent: new http.Agent({ keepAlive: true, maxSockets: 64 }) } : {}),
}));

app.listen(Number(PORT), '127.0.0.1', () => console.log('ready'));
