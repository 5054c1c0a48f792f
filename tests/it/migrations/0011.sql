-- Somebody who is forgotten; nobody whom the sandbox knows.
INSERT INTO fuel.forgotten (kind, digest, forgotten_at) VALUES ('card', '\x0011', '2025-12-01'), ('driver', '\x0022', '2025-12-01');
