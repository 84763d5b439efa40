def changes(links): raise NotImplementedError
